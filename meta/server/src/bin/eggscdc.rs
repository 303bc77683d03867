//! Hosts a replica of the cross-directory coordinator.

use std::process::ExitCode;

fn main() -> ExitCode {
    eggs_meta_server::args::main("eggscdc", eggs_meta_server::start_cdc)
}
