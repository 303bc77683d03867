//! The program `eggsshuckle`.

mod args;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    eggs_obs::init("eggsshuckle", args.log_format);
    match serve(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("eggsshuckle: {error:#}");
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
