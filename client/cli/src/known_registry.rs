//! Registry addresses learned from the cluster, kept next to its secret: so that one address on the command line
//! is enough also when the process at that address is dead.

use std::net::SocketAddr;
use std::path::PathBuf;

use eggs_client::credentials::default_secret_path;
use eggs_proto::{ClusterMap, ProcessRole};

/// Most addresses kept.
const ADDRESSES_MAX: usize = 16;

pub(crate) struct KnownRegistry {
    /// `None` without a home directory.
    path: Option<PathBuf>,
}

impl KnownRegistry {
    /// What is known about the cluster with this address.
    pub(crate) fn of(address: SocketAddr) -> Self {
        let path = default_secret_path(address).map(|path| path.with_extension("registry"));
        Self { path }
    }

    /// The addresses; none if nothing is known.
    pub(crate) fn read(&self) -> Vec<SocketAddr> {
        let text = self
            .path
            .as_ref()
            .and_then(|path| std::fs::read_to_string(path).ok());
        parse(&text.unwrap_or_default())
    }

    /// Keeps the addresses that the map has, if they are news. It is only a convenience: failing to keep them is
    /// not worth a word.
    pub(crate) fn write(&self, map: &ClusterMap) {
        let Some(path) = self
            .path
            .as_ref()
            .filter(|path| path.parent().is_some_and(|dir| dir.is_dir()))
        else {
            return;
        };
        let addresses = addresses(map);
        if addresses.is_empty() || addresses == self.read() {
            return;
        }
        let lines: String = addresses
            .iter()
            .map(|address| format!("{address}\n"))
            .collect();
        let temporary = path.with_extension(format!("registry-{}", std::process::id()));
        if std::fs::write(&temporary, lines).is_ok() && std::fs::rename(&temporary, path).is_err() {
            let _ = std::fs::remove_file(&temporary);
        }
    }
}

fn parse(text: &str) -> Vec<SocketAddr> {
    text.lines()
        .filter_map(|line| line.parse().ok())
        .take(ADDRESSES_MAX)
        .collect()
}

fn addresses(map: &ClusterMap) -> Vec<SocketAddr> {
    let nodes = map
        .nodes
        .iter()
        .filter(|info| info.node.role() == ProcessRole::Registry);
    nodes
        .filter_map(|info| info.address.parse().ok())
        .take(ADDRESSES_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use eggs_proto::{NodeId, NodeInfo, Time};

    #[test]
    fn what_the_map_says_comes_back_and_nonsense_is_skipped() {
        let dir = tempfile::tempdir().unwrap();
        let path = Some(dir.path().join("a.registry"));
        let known = KnownRegistry { path };
        assert_eq!(known.read(), []);
        let node = |role, index, address: &str| NodeInfo {
            node: NodeId::new(role, index),
            address: address.to_owned(),
            last_seen: Time(0),
            started: Time(0),
        };
        let map = ClusterMap {
            nodes: vec![
                node(ProcessRole::Registry, 0, "127.0.0.1:1"),
                node(ProcessRole::Registry, 1, "127.0.0.1:2"),
                node(ProcessRole::Shard, 0, "127.0.0.1:3"),
            ],
            ..ClusterMap::default()
        };
        known.write(&map);
        let expected: Vec<SocketAddr> = ["127.0.0.1:1", "127.0.0.1:2"]
            .map(|a| a.parse().unwrap())
            .into();
        assert_eq!(known.read(), expected);
        assert_eq!(
            std::fs::read_dir(dir.path()).unwrap().count(),
            1,
            "nothing else is left"
        );
        assert_eq!(parse("x\n127.0.0.1:1\n\n"), expected[..1]);
    }
}
