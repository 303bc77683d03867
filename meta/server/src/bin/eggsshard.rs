//! Hosts replicas of all metadata shards.

use std::process::ExitCode;

fn main() -> ExitCode {
    eggs_meta_server::args::main("eggsshard", eggs_meta_server::start_shard)
}
