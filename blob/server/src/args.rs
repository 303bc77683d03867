//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use eggs_obs::LogFormat;
use eggs_proto::StorageClass;

/// Serves the disks of one failure domain.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "eggsblocks", version)]
pub struct Args {
    /// Number of this process among all eggsblocks
    #[arg(long)]
    pub id: u32,
    /// Number of the failure domain, by default a host
    #[arg(long)]
    pub domain: u32,
    /// Directory of this process; relative disk paths start here
    #[arg(long)]
    pub dir: PathBuf,
    /// Address to serve on
    #[arg(long)]
    pub listen: SocketAddr,
    /// Address that others reach us at, if it is not the one we listen on
    #[arg(long)]
    pub advertise: Option<SocketAddr>,
    /// Addresses of the registry, separated by commas
    #[arg(long, value_delimiter = ',', required = true)]
    pub registry: Vec<SocketAddr>,
    /// File with the cluster secret
    #[arg(long)]
    pub secret_file: PathBuf,
    /// A disk, as in `hdd:PATH` or `flash:PATH`; made when missing
    #[arg(long = "disk", required = true)]
    pub disks: Vec<DiskArg>,
    /// Most bytes of blocks on each disk, for disks that share a file system
    #[arg(long)]
    pub disk_capacity: Option<u64>,
    /// Bytes of each file system that blocks never use [default: a hundredth, at most 1 GiB]
    #[arg(long)]
    pub disk_reserve: Option<u64>,
    /// Blocks of at least so many bytes are written past the page cache
    #[arg(long, default_value_t = eggs_block_store::DiskOptions::DIRECT_BYTES_MIN)]
    pub direct_bytes_min: u64,
    /// Address for metrics and health over HTTP
    #[arg(long)]
    pub http: Option<SocketAddr>,
    /// How to write the log: `text` or `json`
    #[arg(long, default_value_t)]
    pub log_format: LogFormat,
}

/// A disk of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskArg {
    /// Its class.
    pub class: StorageClass,
    /// Its directory.
    pub path: PathBuf,
}

/// Not a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a disk is `hdd:PATH` or `flash:PATH`")]
pub struct BadDisk;

impl FromStr for DiskArg {
    type Err = BadDisk;

    fn from_str(text: &str) -> Result<Self, BadDisk> {
        let (class, path) = text.split_once(':').ok_or(BadDisk)?;
        let class = match class {
            "hdd" => StorageClass::Hdd,
            "flash" => StorageClass::Flash,
            _ => return Err(BadDisk),
        };
        if path.is_empty() {
            return Err(BadDisk);
        }
        Ok(Self {
            class,
            path: path.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_have_a_class_and_a_path() {
        let disk: DiskArg = "flash:/a:b".parse().unwrap();
        assert_eq!(
            (disk.class, disk.path),
            (StorageClass::Flash, "/a:b".into())
        );
        for bad in ["", "/a", "tape:/a", "hdd:", "HDD:/a"] {
            assert_eq!(bad.parse::<DiskArg>(), Err(BadDisk), "{bad}");
        }
    }
}
