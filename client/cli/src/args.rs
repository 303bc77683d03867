//! The command line.

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use eggs_client::ReadFrom;
use eggs_proto::{BlockServiceId, ServiceState};

use crate::meta::MetaVerb;
use crate::text::disk::{parse_service, parse_state};
use crate::text::policy::{ExtentRows, PolicyName, parse_keep, parse_rows};
use crate::text::size::parse_size;
use crate::text::time::{When, parse_when};

/// Works with the files of an EggsFS cluster.
///
/// Paths begin at the root of the file system; the leading `/` may be left out.
///
/// Exit codes: 0 fine, 1 failed, 2 usage, 3 partly done, 4 the cluster is degraded (`status`, `fsck`), 5 the cluster
/// cannot be reached.
#[derive(Debug, Parser)]
#[command(name = "eggscli", version, max_term_width = 100)]
pub struct Args {
    /// Registry addresses, separated by commas; the others are learned from the cluster.
    #[arg(
        long,
        env = "EGGS_REGISTRY",
        default_value = "127.0.0.1:10001",
        global = true
    )]
    pub registry: String,
    /// File with the client secret [default: eggsfs/<host>_<port>.secret in ~/.config].
    #[arg(long, env = "EGGS_SECRET_FILE", value_name = "FILE", global = true)]
    pub secret_file: Option<PathBuf>,
    /// Seconds after which an operation that gets no answer is given up.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, global = true,
          value_parser = clap::value_parser!(u64).range(1..=120))]
    pub timeout: u64,
    /// Which replicas of the metadata answer reads: `leader` or `any`. Either way a read sees every change that was
    /// acknowledged before.
    #[arg(long, value_name = "REPLICAS", default_value_t = ReadFrom::Leader, global = true)]
    pub read_from: ReadFrom,
    /// Keep content that is read in this directory on a local disk, for the next time. While another process has it, reads go on
    /// without.
    #[arg(long, env = "EGGS_CACHE", value_name = "DIR", global = true)]
    pub cache: Option<PathBuf>,
    /// Most bytes that --cache takes, 16M to 16T; another size than before begins anew.
    #[arg(long, value_name = "SIZE", default_value = "10G", value_parser = parse_size, global = true)]
    pub cache_size: u64,
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

impl Args {
    /// The cluster secret, for what only servers may do: whoever knows it is one.
    pub(crate) fn cluster_secret_file(&self) -> Option<&Path> {
        if let Verb::Fsck {
            repair: true,
            cluster_secret_file,
            ..
        } = &self.verb
        {
            return cluster_secret_file.as_deref();
        }
        if let Verb::Meta {
            cluster_secret_file,
            ..
        } = &self.verb
        {
            return cluster_secret_file.as_deref();
        }
        let Verb::Disk(verb) = &self.verb else {
            return None;
        };
        match verb {
            DiskVerb::List => None,
            DiskVerb::Set {
                cluster_secret_file,
                ..
            }
            | DiskVerb::Drain {
                cluster_secret_file,
                ..
            } => Some(cluster_secret_file),
        }
    }
}

/// Which secret to make.
#[derive(Debug, Subcommand)]
pub enum SecretVerb {
    /// Make the secret of a new cluster, which all its servers need. Keep a copy: without it the disks are worth nothing.
    New {
        /// A file that does not exist; for its owner alone.
        file: PathBuf,
    },
    /// Make the secret that clients need, which follows from the cluster's.
    Client {
        /// The file with the cluster secret.
        cluster: PathBuf,
        /// A file that does not exist; for its owner alone.
        file: PathBuf,
    },
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List a directory, or show a file.
    Ls {
        /// Kind, mode, owner, size and time as well.
        #[arg(short, long)]
        long: bool,
        /// What to list.
        #[arg(default_value = "/")]
        path: OsString,
    },
    /// Print the content of files.
    Cat {
        /// What the paths stood for at this time, as in 2026-11-22T15:04:05.123Z, @1795359845123, or 10m for ten minutes
        /// ago; see `history`.
        #[arg(long, value_name = "TIME", value_parser = parse_when)]
        version: Option<When>,
        /// The files.
        #[arg(required = true)]
        paths: Vec<OsString>,
    },
    /// Copy a local file into the cluster, replacing what is there.
    Put {
        /// The local file; `-` for the standard input.
        local: PathBuf,
        /// The new path; a directory, or a path that ends with `/`, to put it there under its own name.
        path: OsString,
    },
    /// Copy a file out of the cluster, replacing what is there.
    Get {
        /// What the path stood for at this time; as for `cat`.
        #[arg(long, value_name = "TIME", value_parser = parse_when)]
        version: Option<When>,
        /// The file.
        path: OsString,
        /// The local path, or a local directory; `-` for the standard output.
        local: PathBuf,
    },
    /// Make a file with this text, replacing what is there.
    #[command(alias = "echo_into")]
    Write {
        /// The file.
        path: OsString,
        /// Its content.
        text: OsString,
        /// End the content with a line feed.
        #[arg(long)]
        newline: bool,
    },
    /// Make directories.
    Mkdir {
        /// Missing parents as well; no complaint about directories that exist.
        #[arg(short, long)]
        parents: bool,
        /// The directories.
        #[arg(required = true)]
        paths: Vec<OsString>,
    },
    /// Remove files, symlinks and empty directories. Until its snapshot policy says otherwise, what was removed is kept.
    Rm {
        /// Directories with everything in them.
        #[arg(short, long)]
        recursive: bool,
        /// No complaint about what does not exist.
        #[arg(short, long)]
        force: bool,
        /// What to remove.
        #[arg(required = true)]
        paths: Vec<OsString>,
    },
    /// Rename or move, replacing a file that is there.
    Mv {
        /// Refuse if the new path is taken.
        #[arg(short, long, conflicts_with = "exchange")]
        no_clobber: bool,
        /// Let both paths change places.
        #[arg(long)]
        exchange: bool,
        /// The old path.
        source: OsString,
        /// The new path, or a directory to move it to.
        target: OsString,
    },
    /// Show everything about a path: inode, shard, times, extents, blocks and where they are, policies.
    Stat {
        /// Show a symlink's target instead of the symlink.
        #[arg(short = 'L', long)]
        dereference: bool,
        /// What to show.
        path: OsString,
    },
    /// Make a symlink (`ln -s TARGET PATH`).
    Ln {
        /// Required: there are no hard links.
        #[arg(short, long, required = true)]
        symbolic: bool,
        /// Where it points.
        target: OsString,
        /// Its path.
        path: OsString,
    },
    /// Show or change how a directory keeps its files.
    #[command(subcommand)]
    Policy(PolicyVerb),
    /// Show or change extended attributes.
    #[command(subcommand)]
    Xattr(XattrVerb),
    /// Show old versions of what is or was in a directory.
    Snapshots {
        /// The directory.
        #[arg(default_value = "/")]
        path: OsString,
    },
    /// Show all versions of a path, also of one that was removed.
    History {
        /// The path.
        path: OsString,
    },
    /// Bring back what was removed or replaced.
    Undelete {
        /// Also everything that was in it; of a directory that is there, what was removed from it.
        #[arg(short, long)]
        recursive: bool,
        /// Another name for it, in the same directory.
        #[arg(long = "as", value_name = "NAME")]
        name: Option<OsString>,
        /// The version that had the name at this time, not the newest; as for `cat`.
        #[arg(long, value_name = "TIME", value_parser = parse_when)]
        version: Option<When>,
        /// Only what was removed at this time or later.
        #[arg(long, value_name = "TIME", value_parser = parse_when)]
        deleted_after: Option<When>,
        /// Replace a file that has the name now; it becomes an old version.
        #[arg(long)]
        replace: bool,
        /// Only show what would come back.
        #[arg(short = 'n', long)]
        dry_run: bool,
        /// The path it had.
        path: OsString,
    },
    /// Show files that are being written, or were given up and not yet collected.
    #[command(name = "transient-files", alias = "transient_files")]
    TransientFiles,
    /// Count what is below a path, and what old versions in it hold. Changes are seen within seconds.
    Du {
        /// What to count.
        #[arg(default_value = "/")]
        path: OsString,
    },
    /// Check the whole file system while it is in use; exit code 4 if something is wrong and was not repaired.
    Fsck {
        /// Only what this one shard can see by itself.
        #[arg(long, value_name = "NUMBER")]
        shard: Option<u8>,
        /// Say what a repair would do.
        #[arg(long, conflicts_with = "repair")]
        dry_run: bool,
        /// Put right what can be computed from the rest, and give what has no name one in /lost+found. Look
        /// at what --dry-run says first. Needs the cluster secret.
        #[arg(long, requires = "cluster_secret_file")]
        repair: bool,
        /// File with the cluster secret (secret/cluster in the directory of eggsrun).
        #[arg(long, env = "EGGS_CLUSTER_SECRET_FILE", value_name = "FILE")]
        cluster_secret_file: Option<PathBuf>,
    },
    /// Show disks, set their state, empty them.
    #[command(subcommand)]
    Disk(DiskVerb),
    /// Show the cluster's health, processes and disks; exit code 4 unless it is healthy.
    Status,
    /// Look after the replicas of the metadata. Needs the cluster secret.
    Meta {
        /// File with the cluster secret (secret/cluster in the directory of eggsrun).
        #[arg(
            long,
            env = "EGGS_CLUSTER_SECRET_FILE",
            value_name = "FILE",
            global = true
        )]
        cluster_secret_file: Option<PathBuf>,
        /// Seconds to wait for one group to be moved.
        #[arg(long, value_name = "SECONDS", default_value_t = 600, global = true)]
        patience: u64,
        /// What to do.
        #[command(subcommand)]
        verb: MetaVerb,
    },
    /// Make files with secrets, for a cluster that is started by hand.
    #[command(subcommand)]
    Secret(SecretVerb),
    /// Older spelling of `put`, with the path first.
    #[command(name = "copy_into", alias = "copy-into")]
    CopyInto {
        /// The new path.
        path: OsString,
        /// The local file; `-` for the standard input.
        local: PathBuf,
    },
}

/// What to do with extended attributes.
#[derive(Debug, Subcommand)]
pub enum DiskVerb {
    /// Show all disks.
    List,
    /// Set the state of a disk: active, no_read, no_write, decommissioned.
    Set {
        /// The disk, as `list` shows it.
        #[arg(value_parser = parse_service)]
        service: BlockServiceId,
        /// Its new state.
        #[arg(value_parser = parse_state)]
        state: ServiceState,
        /// File with the cluster secret (secret/cluster in the directory of eggsrun).
        #[arg(long, env = "EGGS_CLUSTER_SECRET_FILE", value_name = "FILE")]
        cluster_secret_file: PathBuf,
    },
    /// Take disks out for good: their blocks are made again on others. Refused if these have no room for them.
    Drain {
        /// The disks, as `list` shows them.
        #[arg(required = true, value_parser = parse_service)]
        services: Vec<BlockServiceId>,
        /// No look at the room on other disks before.
        #[arg(long)]
        force: bool,
        /// Stay until they are empty.
        #[arg(long)]
        wait: bool,
        /// File with the cluster secret (secret/cluster in the directory of eggsrun).
        #[arg(long, env = "EGGS_CLUSTER_SECRET_FILE", value_name = "FILE")]
        cluster_secret_file: PathBuf,
    },
}

/// Of `xattr`.
#[derive(Debug, Subcommand)]
pub enum XattrVerb {
    /// Show all of them.
    List {
        /// A file or directory.
        path: OsString,
    },
    /// Print the value of one.
    Get {
        /// A file or directory.
        path: OsString,
        /// As in user.origin.
        name: OsString,
    },
    /// Set one.
    Set {
        /// Refuse if it is there.
        #[arg(long, conflicts_with = "replace")]
        create: bool,
        /// Refuse if it is not there.
        #[arg(long)]
        replace: bool,
        /// A file or directory.
        path: OsString,
        /// As in user.origin.
        name: OsString,
        /// Its value, up to 64 KiB.
        value: OsString,
    },
    /// Remove one.
    Remove {
        /// A file or directory.
        path: OsString,
        /// As in user.origin.
        name: OsString,
    },
}

/// What to do with policies.
#[derive(Debug, Subcommand)]
pub enum PolicyVerb {
    /// Show the policies that apply, and which are set on the directory itself.
    Get {
        /// The directory.
        path: OsString,
    },
    /// Set a policy for a directory and everything below it.
    Set {
        /// The directory.
        path: OsString,
        /// The policy.
        #[command(subcommand)]
        policy: PolicyValue,
    },
    /// Inherit a policy again.
    Clear {
        /// The directory.
        path: OsString,
        /// Which.
        kind: PolicyName,
    },
}

/// A policy to be set.
#[derive(Debug, Subcommand)]
pub enum PolicyValue {
    /// How long old versions are kept.
    Snapshot {
        /// How long after removal or replacement, as in 10s, 5m, 12h, 30d; `forever`.
        #[arg(long, value_parser = parse_keep, default_value = "forever")]
        keep: Keep,
        /// At most this many old versions of a name.
        #[arg(long)]
        versions: Option<u32>,
    },
    /// Erasure scheme by extent size.
    Extent {
        /// As in 64K=1+4,1M=4+4,20M=10+4.
        #[arg(value_parser = parse_rows)]
        rows: ExtentRows,
    },
    /// Class of disk by extent size.
    Class {
        /// Extents up to this size go to flash, as in 1M.
        #[arg(value_parser = parse_size)]
        flash_max: u64,
    },
    /// Data bytes of one stripe.
    Stripe {
        /// As in 1M.
        #[arg(value_parser = parse_size)]
        size: u64,
    },
    /// Largest file that is kept in the metadata.
    Inline {
        /// As in 4K.
        #[arg(value_parser = parse_size)]
        size: u64,
    },
}

/// How long old versions are kept, in milliseconds; `None` for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep(pub Option<u64>);
