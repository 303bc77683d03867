//! Making sure that this process is who it says before any of its replicas votes.
//!
//! **Invariant:** in a new directory no replica starts before the registry has bound the process's name to it. So a
//! process whose directory was lost, which would begin as if it had promised nothing, does not begin.
//! **Invariant:** what is lost or damaged begins again only under a name that nobody ever had ([`succeed`]).

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use eggs_proto::NodeId;
use eggs_proto::registry::Succession;
use eggs_registry_client::RegistryClient;

use crate::fault::FaultBox;
use crate::label::{self, Identity, Standing};

/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Pause between questions.
const PAUSE: Duration = Duration::from_millis(200);
/// Pause between questions for a new name, each of which goes through the registry's log.
const SUCCESSION_PAUSE: Duration = Duration::from_secs(1);
/// How long a new name is waited for before the process ends and says why it has none. Whoever supervises it starts it
/// again.
const SUCCESSION_PATIENCE: Duration = Duration::from_secs(120);

/// Whether a name is a directory's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claimed {
    Yes,
    No,
}

/// Asks until the registry answers.
async fn ask(registry: &RegistryClient, node: NodeId, incarnation: u64) -> Claimed {
    let mut complained = false;
    loop {
        match registry.claim(node, incarnation, TIMEOUT).await {
            Ok(true) => return Claimed::Yes,
            Ok(false) => return Claimed::No,
            Err(error) if !complained => {
                complained = true;
                tracing::info!(%node, %error, "waits for the registry to confirm who this is");
            }
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Binds the process's name to a new directory; nothing to do in others. If the name is another directory's, which is
/// lost, there is a new one after `rebuild_empty_after`, if that is allowed at all: the directory may be empty because
/// its disk is not mounted, or be the wrong one.
pub(crate) async fn confirm(
    registry: &RegistryClient,
    dir: &Path,
    identity: Identity,
    rebuild_empty_after: Option<Duration>,
) -> anyhow::Result<Identity> {
    let node = identity.node;
    if identity.given_up.is_some() {
        return succeed(registry, dir, identity).await;
    }
    match identity.standing {
        Standing::Settled => return Ok(identity),
        Standing::New => {}
    }
    match ask(registry, node, identity.incarnation).await {
        Claimed::Yes => return label::settle(dir, identity),
        Claimed::No => {}
    }
    let Some(grace) = rebuild_empty_after else {
        return Err(anyhow!(refused(node)));
    };
    tracing::warn!(
        %node, dir = %dir.display(), seconds = grace.as_secs(), remedy = remedy(node),
        "the directory is empty, but another one has acted as this process. If that is not lost (a disk that is not \
         mounted, a wrong --dir), stop this process now; otherwise it gives up its name and is rebuilt"
    );
    tokio::time::sleep(grace).await;
    succeed(registry, dir, identity).await
}

/// Gives the name of a process up whose store is lost or damaged, and begins again under a new one.
pub(crate) async fn begin_again(
    registry: &RegistryClient,
    dir: &Path,
    identity: Identity,
) -> anyhow::Result<Identity> {
    let identity = label::give_up(dir, identity)?;
    succeed(registry, dir, identity).await
}

/// Waits for a new name.
async fn succeed(
    registry: &RegistryClient,
    dir: &Path,
    identity: Identity,
) -> anyhow::Result<Identity> {
    let lost = identity.node;
    let numbers = match identity.given_up {
        Some(next) => (Some(identity.incarnation), next),
        None => (None, identity.incarnation),
    };
    let begin = Instant::now();
    let mut told = String::new();
    while begin.elapsed() < SUCCESSION_PATIENCE {
        let why = match registry.succeed(lost, numbers, TIMEOUT).await {
            Ok(Some(Succession::Named { node, places })) => {
                tracing::warn!(%lost, %node, "the replicas of this process are lost: it gives up its name and is rebuilt under a new one");
                return label::begin_again(dir, &identity, (node, places));
            }
            Ok(Some(Succession::Waits(wait))) => wait.to_string(),
            Ok(None) => return Err(anyhow!(refused(lost))),
            Err(error) => error.to_string(),
        };
        if why != told {
            tracing::warn!(%lost, why, "has to wait for its new name");
            told = why;
        }
        tokio::time::sleep(SUCCESSION_PAUSE).await;
    }
    Err(anyhow!(
        "the replicas of {lost} are lost, and it cannot begin again under a new name: {told}. To replace it by hand, {}",
        remedy(lost)
    ))
}

/// Asks again in the background: in the meantime the process may have been replaced.
pub(crate) async fn confirm_again(registry: RegistryClient, identity: Identity, fault: FaultBox) {
    match ask(&registry, identity.node, identity.incarnation).await {
        Claimed::Yes => {}
        Claimed::No => fault.end(refused(identity.node)),
    }
}

fn refused(node: NodeId) -> String {
    format!(
        "another directory has acted as {node}, or {node} has been replaced: this one must not. If the disk of {node} \
         is lost, {}",
        remedy(node)
    )
}

/// What to type when a process's disk is lost.
fn remedy(node: NodeId) -> String {
    let (role, place) = (node.role().prefix(), node.place());
    format!(
        "type `eggsrun --dir DIR replace {place}`; without eggsrun, start a process with --join, an empty directory and a \
         number never used, then type `eggscli meta replace {node} {role}N --cluster-secret-file FILE`, N being that \
         number"
    )
}
