//! `eggsrun`: a whole EggsFS cluster on this machine, in one command.

mod args;
mod backoff;
mod cluster;
mod control;
mod crew;
mod current;
mod daemon;
mod files;
mod label;
mod layout;
mod leftovers;
mod lock;
mod mounts;
mod plan;
mod ports;
mod preflight;
mod process;
mod progress;
mod ready;
mod recruit;
mod secrets;
mod status;
mod supervisor;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::args::{Cli, Command};
use crate::layout::Layout;

const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let Some(dir) = cli.dir.clone() else {
        eprintln!("eggsrun: which cluster? Give --dir DIR; a new directory becomes a new cluster");
        return ExitCode::from(USAGE);
    };
    let starting = cli.command.is_none();
    match run(dir, cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let what = if starting { "cannot start: " } else { "" };
            eprintln!("eggsrun: {what}{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(dir: PathBuf, cli: Cli) -> Result<u8> {
    let dir = std::path::absolute(&dir).with_context(|| format!("resolve {}", dir.display()))?;
    let layout = Layout::new(dir);
    if cli.start.detached {
        // Out of the terminal's reach. Fails only for the leader of a session, which is out of it.
        rustix::process::setsid().ok();
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(async {
        match cli.command {
            None if cli.start.daemon => daemon::start(&layout).await.map(|()| 0),
            None => cluster::run(&layout, &cli.start).await.map(|()| 0),
            Some(Command::Status { json }) => {
                let format = if json {
                    status::Format::Json
                } else {
                    status::Format::Text
                };
                status::status(&layout, format).await
            }
            Some(Command::Stop) => control::stop(&layout).await.map(|()| 0),
            Some(Command::Kill { name }) => control::kill(&layout, &name).await.map(|()| 0),
            Some(Command::Pause { name }) => control::pause(&layout, &name).await.map(|()| 0),
            Some(Command::Resume { name }) => control::resume(&layout, &name).await.map(|()| 0),
            Some(Command::Start { name }) => control::start(&layout, &name).await.map(|()| 0),
            Some(Command::Add { role }) => recruit::add(&layout, role).await.map(|name| {
                println!("{name}");
                0
            }),
            Some(Command::Remove { name }) => recruit::remove(&layout, &name).await.map(|()| 0),
            Some(Command::Replace { name }) => recruit::replace(&layout, &name).await.map(|()| 0),
        }
    })
}
