//! Hosts replicas of all metadata shards.

use std::process::ExitCode;

// What is shipped has no deliberate bugs.
const _: () = assert!(!eggs_raft::BUGS);

/// Malloc took a fifth of a change's CPU time before; RocksDB's C++ allocates with it, too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    eggs_meta_server::args::main_shard()
}
