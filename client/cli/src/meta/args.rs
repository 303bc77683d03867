//! The command line of `meta`.

use clap::Subcommand;
use eggs_proto::{GroupId, NodeId};

use super::view::{parse_group, parse_node};

/// What to do with the replicas of the metadata.
#[derive(Debug, Subcommand)]
pub enum MetaVerb {
    /// Show how the replicas are, one line for each process; exit code 4 unless all are up to date.
    Status {
        /// Only this group, in detail: shard-000 to shard-255, cdc, registry.
        #[arg(value_parser = parse_group)]
        group: Option<GroupId>,
    },
    /// Hand the leadership of a group to another process that votes in it.
    Transfer {
        /// The group: shard-000 to shard-255, cdc, registry.
        #[arg(value_parser = parse_group)]
        group: GroupId,
        /// The process, as in shard1.
        #[arg(value_parser = parse_node)]
        node: NodeId,
    },
    /// Move a replica of a group to another process.
    Move {
        /// The group: shard-000 to shard-255, cdc, registry.
        #[arg(value_parser = parse_group)]
        group: GroupId,
        /// The process that has it.
        #[arg(value_parser = parse_node)]
        from: NodeId,
        /// The process that gets it.
        #[arg(value_parser = parse_node)]
        to: NodeId,
    },
    /// Replace a process, whose disk may be lost, in all its groups. The new one must run already, with an empty
    /// directory and a number that was never used (`eggsrun --dir DIR add shard`). May be repeated until it is done.
    Replace {
        /// The process that leaves; it never comes back under its name.
        #[arg(value_parser = parse_node)]
        old: NodeId,
        /// The process that takes its place.
        #[arg(value_parser = parse_node)]
        new: NodeId,
    },
    /// Show which replicas would have to move for every process to have as many.
    Balance {
        /// Only show; this is the default.
        #[arg(short = 'n', long, conflicts_with = "apply")]
        dry_run: bool,
        /// Move them.
        #[arg(long)]
        apply: bool,
    },
}
