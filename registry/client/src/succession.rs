//! Waiting for a new name when what a process had under its old one is lost.

use std::path::Path;
use std::time::{Duration, Instant};

use eggs_proto::NodeId;
use eggs_proto::registry::Succession;

use crate::RegistryClient;

/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Between questions, each of which goes through the registry's log.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a new name is waited for before the process ends and says why it has none. Whoever supervises it starts it
/// again.
const PATIENCE: Duration = Duration::from_secs(120);

/// Who has lost what.
#[derive(Clone, Copy, Debug)]
pub struct Lost {
    /// The process.
    pub node: NodeId,
    /// The number of its directory, if that is there and damaged.
    pub was: Option<u64>,
    /// The number of the directory under its next name.
    pub incarnation: u64,
}

impl Lost {
    /// What a process has lost whose directory has a number, and the next one if it was damaged and given up.
    pub fn of(node: NodeId, incarnation: u64, given_up: Option<u64>) -> Self {
        Self {
            node,
            was: given_up.map(|_| incarnation),
            incarnation: given_up.unwrap_or(incarnation),
        }
    }
}

/// Why there is no new name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotNamed {
    /// Nothing was lost, or a person has put another process in its place.
    Refused,
    /// It would have had to wait for too long; what for.
    Waits(String),
}

/// What a process has found instead of its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// An empty directory, although another one has acted under its name.
    Directory,
    /// A directory that is its own, without the store.
    Store,
}

impl Missing {
    const fn what(self) -> &'static str {
        match self {
            Self::Directory => "the directory is empty, but another one has acted as this process",
            Self::Store => "the store of this process is gone from its directory",
        }
    }
}

/// Before a process counts as lost, gives whoever has started it over an empty place the time to stop it.
pub async fn wait_for_objections(
    missing: Missing,
    node: NodeId,
    dir: &Path,
    grace: Duration,
    remedy: String,
) {
    tracing::warn!(
        %node, dir = %dir.display(), seconds = grace.as_secs(), remedy,
        "{}. If that is not lost (a disk that is not mounted, a wrong --dir), stop this process now; otherwise it gives \
         up its name and is rebuilt", missing.what()
    );
    tokio::time::sleep(grace).await;
}

/// Waits for a new name, and says whose places come with it.
pub async fn succeed(
    registry: &RegistryClient,
    lost: Lost,
) -> Result<(NodeId, Vec<NodeId>), NotNamed> {
    let Lost {
        node: old,
        was,
        incarnation,
    } = lost;
    let begin = Instant::now();
    let mut told = String::new();
    while begin.elapsed() < PATIENCE {
        let why = match registry.succeed(old, (was, incarnation), TIMEOUT).await {
            Ok(Some(Succession::Named { node, places })) => {
                tracing::warn!(lost = %old, %node, "the replicas of this process are lost: it gives up its name and is rebuilt under a new one");
                return Ok((node, places));
            }
            Ok(Some(Succession::Waits(wait))) => wait.to_string(),
            Ok(None) => return Err(NotNamed::Refused),
            Err(error) => error.to_string(),
        };
        if why != told {
            tracing::warn!(lost = %old, why, "has to wait for its new name");
            told = why;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(NotNamed::Waits(told))
}
