//! `eggscli`.

use std::process::ExitCode;

use clap::Parser as _;

// What is shipped has no deliberate bugs.
const _: () = assert!(!eggs_client::BUGS);

fn main() -> ExitCode {
    let args = eggs_cli::args::Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(eggs_cli::run(args));
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            eprintln!("eggscli: cannot start threads: {error}; see `ulimit -u`");
            ExitCode::from(eggs_cli::Exit::Failed as u8)
        }
    }
}
