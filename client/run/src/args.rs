//! The command line. It is fixed, so that it can be scripted.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::crew::Role;

/// Runs a whole EggsFS cluster on this machine.
#[derive(Debug, Parser)]
#[command(name = "eggsrun", version, args_conflicts_with_subcommands = false)]
pub struct Cli {
    /// Directory that holds the cluster: data, logs, secrets. Made if it does not exist.
    #[arg(long, global = true)]
    pub dir: Option<PathBuf>,

    /// What the cluster consists of and how to start it.
    #[command(flatten)]
    pub start: StartArgs,

    /// Without a command: start the cluster.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options of a start.
#[derive(Clone, Debug, Args)]
pub struct StartArgs {
    /// Where to mount; by default DIR/mnt.
    #[arg(long)]
    pub mount: Option<PathBuf>,
    /// Do not mount.
    #[arg(long, conflicts_with = "mount")]
    pub no_mount: bool,
    /// Replicas of each metadata group and of the registry: 1, 3 or 5.
    #[arg(long, value_parser = ["1", "3", "5"])]
    pub meta_replicas: Option<String>,
    /// Failure domains of block services, each one eggsblocks process (default 16).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub failure_domains: Option<u32>,
    /// HDD-class disk directories per failure domain (default 1).
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=16))]
    pub hdd_per_domain: Option<u32>,
    /// Flash-class disk directories per failure domain (default 1).
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=16))]
    pub flash_per_domain: Option<u32>,
    /// Port of the first registry replica.
    #[arg(long, default_value_t = 10001, value_parser = clap::value_parser!(u16).range(1..))]
    pub registry_port: u16,
    /// Port of the dashboard.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u16).range(1..))]
    pub http_port: u16,
    /// Found the registry anew, because the directories of all its processes are lost. Without it, a registry that was
    /// there once is only ever filled from what is left of it.
    #[arg(long)]
    pub found_anew: bool,
    /// Return once the cluster is healthy and mounted, and leave it running.
    #[arg(long)]
    pub daemon: bool,
    /// Restart processes that die (the default).
    #[arg(long, overrides_with = "no_supervise")]
    pub supervise: bool,
    /// Leave processes that die dead.
    #[arg(long)]
    pub no_supervise: bool,
    /// Set by --daemon for the process that stays.
    #[arg(long, hide = true)]
    pub detached: bool,
}

/// What to do with a cluster that exists.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Show the processes and the health of the cluster.
    Status {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Stop everything and unmount.
    Stop,
    /// Kill one process at once (SIGKILL); it stays dead until `start`.
    Kill {
        /// As in `shard0`, `blocks3`, `fuse0`.
        name: String,
    },
    /// Stop one process from running (SIGSTOP).
    Pause {
        /// As in `shard0`.
        name: String,
    },
    /// Let a paused process run again (SIGCONT).
    Resume {
        /// As in `shard0`.
        name: String,
    },
    /// Start one process that was killed.
    Start {
        /// As in `shard0`.
        name: String,
    },
    /// Start one more metadata process, with an empty directory and no replicas, and print its name. `eggscli meta`
    /// moves replicas to it.
    Add {
        /// Its kind.
        role: Role,
    },
    /// Stop a metadata process for good that `eggscli meta replace` has replaced.
    Remove {
        /// As in `shard0`.
        name: String,
    },
    /// Replace a metadata process, whose directory may be lost, by a new one: add, `eggscli meta replace`, remove.
    Replace {
        /// As in `shard0`.
        name: String,
    },
}
