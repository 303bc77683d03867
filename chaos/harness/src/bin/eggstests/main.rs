//! `eggstests`: runs workloads against a whole cluster while breaking it, and checks what clients saw.

mod args;
mod check;
mod list;
mod run;
mod show;

use std::process::ExitCode;

use clap::Parser;
use eggs_harness::dress;

use crate::args::{Cli, Command};

/// Exit codes: what the verdict is.
const VIOLATED: u8 = 1;
const UNDECIDED: u8 = 3;
/// The run came to no verdict.
const BROKEN: u8 = 4;
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    if let Some(own_name) = args.next()
        && let Some(program) = dress::role(&own_name)
    {
        let args = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
        let error = dress::put_on(&own_name, program, args);
        eprintln!("{program}: {error:#}");
        return ExitCode::from(BROKEN);
    }
    let outcome = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::List { json } => list::list(json),
        Command::Check { history, json } => check::check(&history, json),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("eggstests: {error:#}");
            ExitCode::from(BROKEN)
        }
    }
}
