//! Finding the cluster and the secret that lets us in.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

use eggs_client::{Client, ClientConfig, ReadCache, credentials};
use eggs_rpc::{Credentials, PeerRole};

use crate::args::Args;
use crate::failure::{Exit, Failure};
use crate::known_registry::KnownRegistry;

/// How long to look whether anything listens at all.
const PROBE: Duration = Duration::from_secs(2);

/// Connects as the command line says.
pub(crate) async fn connect(args: &Args) -> Result<Client, Failure> {
    let mut registry = addresses(&args.registry)?;
    let credentials = credentials(args, &registry)?;
    let known = KnownRegistry::of(registry[0]);
    for address in known.read() {
        if !registry.contains(&address) {
            registry.push(address);
        }
    }
    let mut config = ClientConfig::new(registry, credentials, "eggscli");
    config.read_from = args.read_from;
    config.timeout = Duration::from_secs(args.timeout);
    config.connect_timeout = config.connect_timeout.min(config.timeout);
    config.cache = cache(args)?;
    let connected = Client::connect(config).await;
    let client = connected.map_err(|error| {
        Failure::remote("reach", format!("the cluster at {}", args.registry), &error)
    })?;
    known.write(&client.map());
    Ok(client)
}

fn cache(args: &Args) -> Result<Option<ReadCache>, Failure> {
    let Some(dir) = &args.cache else {
        return Ok(None);
    };
    ReadCache::open_unless_in_use(dir, args.cache_size)
        .map_err(|error| Failure::new(Exit::Failed, format!("--cache cannot be used: {error}")))
}

/// The cluster's name, if its secret is given.
pub(crate) fn cluster(args: &Args) -> Option<u64> {
    let path = args.cluster_secret_file()?;
    let credentials = Credentials::from_file(path, PeerRole::Server).ok()?; // it was read before
    credentials.cluster_id()
}

fn addresses(text: &str) -> Result<Vec<SocketAddr>, Failure> {
    let mut all = Vec::new();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let found = part.to_socket_addrs().map_err(|error| {
            Failure::usage(format!(
                "'{part}' is not an address such as 127.0.0.1:10001: {error}"
            ))
        })?;
        all.extend(found);
    }
    if all.is_empty() {
        return Err(Failure::usage(
            "no registry address is given; use --registry HOST:PORT",
        ));
    }
    Ok(all)
}

fn credentials(args: &Args, registry: &[SocketAddr]) -> Result<Credentials, Failure> {
    if let Some(path) = args.cluster_secret_file() {
        return Credentials::from_file(path, PeerRole::Server)
            .map_err(|error| Failure::new(Exit::Failed, error.to_string()));
    }
    let path = match &args.secret_file {
        Some(path) => path.clone(),
        None => default_secret(args, registry)?,
    };
    Credentials::from_file(&path, PeerRole::Client)
        .map_err(|error| Failure::new(Exit::Failed, error.to_string()))
}

/// The secret that `eggsrun` left. Without one it matters whether there is a cluster at all.
fn default_secret(args: &Args, registry: &[SocketAddr]) -> Result<PathBuf, Failure> {
    let paths: Vec<PathBuf> = registry
        .iter()
        .filter_map(|address| credentials::default_secret_path(*address))
        .collect();
    if let Some(found) = paths.iter().find(|path| path.exists()) {
        return Ok(found.clone());
    }
    let listening = |address: &SocketAddr| TcpStream::connect_timeout(address, PROBE).is_ok();
    if !registry.iter().any(listening) {
        let sentence = format!(
            "cannot reach the cluster at {}: nothing listens there; start one with `eggsrun --dir DIR` or give \
             --registry",
            args.registry
        );
        return Err(Failure::new(Exit::Unreachable, sentence));
    }
    let place = paths
        .first()
        .map_or("~/.config/eggsfs".into(), |path| path.display().to_string());
    let sentence = format!(
        "no secret for the cluster at {}: {place} does not exist; give the client secret with --secret-file",
        args.registry
    );
    Err(Failure::new(Exit::Failed, sentence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_split() {
        assert_eq!(addresses("127.0.0.1:1, 127.0.0.1:2").unwrap().len(), 2);
        assert!(matches!(
            addresses("nonsense"),
            Err(Failure::Said {
                exit: Exit::Usage,
                ..
            })
        ));
        assert!(matches!(
            addresses(""),
            Err(Failure::Said {
                exit: Exit::Usage,
                ..
            })
        ));
    }
}
