//! The program `eggsshuckle`.

mod args;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

// What is shipped has no deliberate bugs.
const _: () = assert!(!eggs_raft::BUGS);

/// Malloc took a fifth of a change's CPU time before; RocksDB's C++ allocates with it, too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let args = args::Args::parse();
    eggs_obs::init("eggsshuckle", args.log_format);
    match serve(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("eggsshuckle: {}", sentence(&error));
            ExitCode::FAILURE
        }
    }
}

fn serve(args: args::Args) -> anyhow::Result<()> {
    let config = args.into_config()?;
    eggs_obs::raise_file_limit().context("raise the limit of open files")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(async {
        let shutdown = eggs_obs::shutdown_signal().context("listen for signals")?;
        eggs_registry_server::run(config, shutdown).await?;
        tracing::info!("stopped");
        Ok(())
    })
}

/// An error and its causes as one sentence; a cause that was mentioned already is not repeated.
fn sentence(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |said, cause| {
        let cause = cause.to_string();
        match said.as_str() {
            "" => cause,
            _ if said.contains(&cause) => said,
            _ => format!("{said}: {cause}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_said_once() {
        let error = anyhow::anyhow!("disk full")
            .context("write x: disk full")
            .context("start");
        assert_eq!(sentence(&error), "start: write x: disk full");
    }
}
