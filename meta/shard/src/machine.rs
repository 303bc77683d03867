//! The machine that the log drives.

use eggs_machine::{ApplyContext, Fault, Outcome, StateMachine, Store, Table, TableSpec};
use eggs_proto::shard::ShardReply;
use eggs_proto::{Refusal, ShardId, decode, encode};

use crate::ShardCommand;

/// The tables of a shard.
pub const TABLES: &[TableSpec] = &[
    spec(16, "counters"),
    spec(17, "inodes"),
    spec(18, "dentries"),
    spec(19, "snapshots"),
    spec(20, "extents"),
    spec(21, "transients"),
    spec(22, "garbage"),
    spec(23, "service_files"),
];

const fn spec(number: u8, name: &'static str) -> TableSpec {
    TableSpec {
        table: Table(number),
        name,
    }
}

/// One shard. A command is an encoded [`ShardCommand`], its reply an encoded `Result<ShardReply, Refusal>`.
#[derive(Clone, Copy, Debug)]
pub struct ShardMachine {
    /// Which one.
    pub shard: ShardId,
}

impl StateMachine for ShardMachine {
    fn apply(
        &self,
        _store: &mut dyn Store,
        _context: ApplyContext,
        command: &[u8],
    ) -> Result<Outcome, Fault> {
        let _: ShardCommand = decode(command)
            .map_err(|_| Fault::Entry(format!("a command of shard {}", self.shard)))?;
        let answer: Result<ShardReply, Refusal> = Err(Refusal::Unsupported);
        Ok(Outcome::Refused(encode(&answer)))
    }
}
