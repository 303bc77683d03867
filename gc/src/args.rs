//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use eggs_obs::LogFormat;

/// Collects expired transient files, expired snapshots and garbage.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "eggsgc", version)]
pub struct Args {
    /// Number of this process among all eggsgc
    #[arg(long)]
    pub id: u32,
    /// Directory of this process
    #[arg(long)]
    pub dir: PathBuf,
    /// Addresses of the registry, separated by commas
    #[arg(long, value_delimiter = ',', required = true)]
    pub registry: Vec<SocketAddr>,
    /// File with the cluster secret
    #[arg(long)]
    pub secret_file: PathBuf,
    /// Milliseconds between passes; shorter when there is much to do, longer when nothing happens
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    pub interval_ms: u64,
    /// Milliseconds between looks for blocks to be made again
    #[arg(long, default_value_t = 15_000, value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    pub heal_interval_ms: u64,
    /// Seconds after which the blocks of a silent disk are made again elsewhere
    #[arg(long, default_value_t = 600)]
    pub heal_after_s: u64,
    /// Milliseconds between questions to block services for damage that readers met
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    pub report_interval_ms: u64,
    /// MB of blocks per second to be read and verified; 0 for none
    #[arg(long, default_value_t = 10)]
    pub scrub_mb_per_s: u64,
    /// Hours between the beginnings of two scrubs of everything
    #[arg(long, default_value_t = 168.0)]
    pub scrub_every_h: f64,
    /// Address for metrics and health over HTTP; also the address that the registry shows
    #[arg(long, default_value = "127.0.0.1:0")]
    pub http: SocketAddr,
    /// How to write the log: `text` or `json`
    #[arg(long, default_value_t)]
    pub log_format: LogFormat,
}
