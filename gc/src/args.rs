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
    /// Address for metrics and health over HTTP; also the address that the registry shows
    #[arg(long, default_value = "127.0.0.1:0")]
    pub http: SocketAddr,
    /// How to write the log: `text` or `json`
    #[arg(long, default_value_t)]
    pub log_format: LogFormat,
}
