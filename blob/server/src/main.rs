//! `eggsblocks`: serves the disks of one failure domain.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = eggs_blob_server::Args::parse();
    match eggs_blob_server::main(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("eggsblocks: {error:#}");
            ExitCode::FAILURE
        }
    }
}
