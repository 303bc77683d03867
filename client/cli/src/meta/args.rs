//! The command line of `meta`.

use std::num::NonZeroU64;
use std::path::PathBuf;

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
        /// Even if the group is on fewer hosts then.
        #[arg(long)]
        fewer_hosts: bool,
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
        /// Even if groups are on fewer hosts then.
        #[arg(long)]
        fewer_hosts: bool,
    },
    /// Show which replicas would have to move for those of each group to be on distinct hosts, and every process to have as many.
    Balance {
        /// Only show; this is the default.
        #[arg(short = 'n', long, conflicts_with = "apply")]
        dry_run: bool,
        /// Move them.
        #[arg(long)]
        apply: bool,
    },
    /// Back the metadata up, as of one moment, while it is used. Into the same directory again, only what has changed is
    /// stored. The directory then holds the keys of the disks: it is made for its owner alone.
    Backup {
        /// The directory.
        dir: PathBuf,
        /// Keep so many images, the new one included; older ones go, with what no other image needs [default: all].
        #[arg(long, value_name = "IMAGES")]
        keep: Option<NonZeroU64>,
    },
    /// Fill an empty cluster from a backup. Its disks are found again if their processes run in it.
    Restore {
        /// The directory of the backup.
        dir: PathBuf,
        /// The number of the image [default: the newest].
        #[arg(long, value_name = "NUMBER")]
        image: Option<u64>,
        /// Even if the backup is of a cluster with another secret.
        #[arg(long)]
        other_cluster: bool,
        /// Even if there may be too little space under the metadata.
        #[arg(long)]
        little_space: bool,
    },
    /// Compare the replicas of all groups; or look whether a backup is whole and is what the cluster has. Exit code 4 if
    /// not.
    Verify {
        /// The directory of a backup; without it, the replicas are compared.
        dir: Option<PathBuf>,
        /// The number of the image [default: the newest].
        #[arg(long, value_name = "NUMBER", requires = "dir")]
        image: Option<u64>,
    },
}
