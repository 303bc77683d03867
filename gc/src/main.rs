//! `eggsgc`: collects what nobody can reach any more.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = eggs_gc::Args::parse();
    match eggs_gc::main(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("eggsgc: {error:#}");
            ExitCode::FAILURE
        }
    }
}
