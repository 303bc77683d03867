//! The command line.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use eggs_obs::LogFormat;
use eggs_registry_server::{Beginning, Config};
use eggs_rpc::{Credentials, PeerRole};

/// One replica of the EggsFS registry, with its dashboard.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Args {
    /// Number of this process among the registry's, as in --peers.
    #[arg(long, value_name = "N")]
    id: u32,
    /// Where the log and the state are kept; created if missing.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Where to serve the wire protocol.
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// Where to serve the dashboard, JSON, metrics and health.
    #[arg(long, value_name = "ADDR")]
    http: SocketAddr,
    /// All registry processes, this one included: 0=ADDR,1=ADDR,…
    #[arg(long, value_name = "N=ADDR,…", value_delimiter = ',', value_parser = parse_peer)]
    peers: Vec<(u32, SocketAddr)>,
    /// Never found a registry, but begin with an empty replica, until `eggscli meta replace` takes it in; without it,
    /// --peers are the first members if all of them are new. To be given once there is a registry.
    #[arg(long)]
    join: bool,
    /// Found a registry anew, because all processes of the one before have lost their directories: metadata processes
    /// that say they were bound by a registry are taken at their word. Make sure that none which was replaced is started.
    #[arg(long, conflicts_with = "join")]
    found_anew: bool,
    /// If --dir is empty although another directory has acted as this process, it is lost after so many seconds: the
    /// process gives up its name and is filled by the others under a new one. Without it, it says what to type: the disk
    /// may just not be mounted. A directory with damaged content is always rebuilt.
    #[arg(long, value_name = "SECONDS")]
    rebuild_empty_after: Option<u32>,
    /// File with the cluster secret, readable by its owner only.
    #[arg(long, value_name = "FILE")]
    secret_file: PathBuf,
    /// Name of the cluster, for people.
    #[arg(long, value_name = "NAME", default_value = "eggsfs")]
    cluster_name: String,
    /// A disk or process that is silent for so many milliseconds is stale.
    #[arg(long, value_name = "MS", default_value_t = eggs_registry_state::STALE_MS)]
    stale_ms: u64,
    /// How to write the log: text or json.
    #[arg(long, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

impl Args {
    /// Checks what clap cannot.
    pub fn into_config(self) -> anyhow::Result<Config> {
        let peers: BTreeMap<u32, SocketAddr> = self.peers.iter().copied().collect();
        if peers.len() != self.peers.len() {
            bail!("--peers names a process twice");
        }
        let credentials = Credentials::from_file(&self.secret_file, PeerRole::Server)
            .context("--secret-file cannot be used")?;
        let mut config = Config::new(self.id, self.dir, peers, credentials);
        config.listen = self.listen;
        config.beginning = match (self.join, self.found_anew) {
            (true, _) => Beginning::Joiner,
            (false, true) => Beginning::Anew,
            (false, false) => Beginning::Founder,
        };
        config.rebuild_empty_after = self
            .rebuild_empty_after
            .map(|seconds| Duration::from_secs(seconds.into()));
        config.http = self.http;
        config.cluster_name = self.cluster_name;
        config.stale_ms = self.stale_ms.max(1);
        Ok(config)
    }
}

fn parse_peer(text: &str) -> Result<(u32, SocketAddr), String> {
    let malformed = || format!("`{text}` is not N=ADDRESS:PORT");
    let (number, address) = text.split_once('=').ok_or_else(malformed)?;
    Ok((
        number.parse().map_err(|_| malformed())?,
        address.parse().map_err(|_| malformed())?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn peers() {
        assert_eq!(
            parse_peer("2=127.0.0.1:80"),
            Ok((2, ([127, 0, 0, 1], 80).into()))
        );
        for bad in [
            "",
            "2",
            "2=",
            "=127.0.0.1:80",
            "x=127.0.0.1:80",
            "2=localhost:80",
            "2=127.0.0.1",
        ] {
            assert!(parse_peer(bad).is_err(), "{bad}");
        }
    }
}
