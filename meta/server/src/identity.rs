//! Making sure that this process is who it says before any of its replicas votes.
//!
//! **Invariant:** in a new directory no replica starts before the registry has bound the process's name to it. So a
//! process whose directory was lost, which would begin as if it had promised nothing, does not begin.
//! **Invariant:** what is lost or damaged begins again only under a name that nobody ever had ([`succeed`]). A directory whose
//! store is gone is no new one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::anyhow;
use eggs_proto::{CallError, NodeId};
use eggs_raft::remains;
use eggs_registry_client::{
    Confirmation, Lost, Missing, NotNamed, RegistryClient, RegistryError, wait_for_objections,
};

use crate::fault::FaultBox;
use crate::label::{self, Identity, Standing};

/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Pause between questions.
const PAUSE: Duration = Duration::from_millis(200);
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
    let missing = match identity.standing {
        Standing::Settled | Standing::Older if remains::is_gone(dir) => Missing::Store,
        Standing::Settled | Standing::Older => return Ok(identity),
        Standing::New => match ask(registry, node, identity.incarnation).await {
            Claimed::Yes => return label::settle(dir, identity),
            Claimed::No => Missing::Directory,
        },
    };
    let Some(grace) = rebuild_empty_after else {
        return Err(anyhow!(match missing {
            Missing::Directory => refused(node),
            Missing::Store => gone(node, dir),
        }));
    };
    wait_for_objections(missing, node, dir, grace, remedy(node)).await;
    match missing {
        Missing::Directory => succeed(registry, dir, identity).await,
        Missing::Store if remains::is_gone(dir) => begin_again(registry, dir, identity).await,
        Missing::Store => Ok(identity),
    }
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
    let node = identity.node;
    let lost = Lost::of(node, identity.incarnation, identity.given_up);
    match eggs_registry_client::succeed(registry, lost).await {
        Ok(named) => label::begin_again(dir, &identity, named),
        Err(NotNamed::Refused) => Err(anyhow!(refused(node))),
        Err(NotNamed::Waits(why)) => Err(anyhow!(
            "the replicas of {node} are lost, and it cannot begin again under a new name: {why}. To replace it by hand, {}",
            remedy(node)
        )),
    }
}

/// Asks again in the background: in the meantime the process may have been replaced, or the registry may be another.
pub(crate) async fn confirm_again(
    registry: RegistryClient,
    dir: PathBuf,
    identity: Identity,
    fault: FaultBox,
) {
    let node = identity.node;
    let confirmed = match identity.standing {
        Standing::Settled => ask_again(&registry, node, identity.incarnation).await,
        // It was never asked.
        Standing::New | Standing::Older => match ask(&registry, node, identity.incarnation).await {
            Claimed::Yes => Confirmation::Acts,
            Claimed::No => Confirmation::Replaced,
        },
    };
    match (confirmed, identity.standing) {
        (Confirmation::Acts, Standing::New | Standing::Older) => {
            let settled = tokio::task::spawn_blocking(move || label::settle(&dir, identity)).await;
            if let Ok(Err(error)) = settled {
                tracing::warn!(%node, error = format!("{error:#}"), "note that the name is bound");
            }
        }
        (Confirmation::Acts, Standing::Settled) => {}
        (Confirmation::Replaced, _) => fault.end(refused(node)),
        (Confirmation::Unknown, _) => fault.end(unknown(node)),
    }
}

/// Asks until the registry answers. One that cannot be asked, because it is older, is asked as before.
async fn ask_again(registry: &RegistryClient, node: NodeId, incarnation: u64) -> Confirmation {
    loop {
        match registry.confirm(node, incarnation, TIMEOUT).await {
            Ok(confirmation) => return confirmation,
            Err(RegistryError::Refused(CallError::Malformed)) => {
                return match ask(registry, node, incarnation).await {
                    Claimed::Yes => Confirmation::Acts,
                    Claimed::No => Confirmation::Replaced,
                };
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// The registry that bound the name would know it.
fn unknown(node: NodeId) -> String {
    format!(
        "the registry knows nothing of {node}, whose name it has bound: it is that of another cluster (check --registry), or \
         was founded anew. If a disk of a registry process is not mounted, stop that process, mount it and start it again. \
         If all its disks are lost, start the registry with --found-anew (`eggsrun --dir DIR --found-anew`)"
    )
}

fn refused(node: NodeId) -> String {
    format!(
        "another directory has acted as {node}, or {node} has been replaced: this one must not. If the disk of {node} \
         is lost, {}",
        remedy(node)
    )
}

fn gone(node: NodeId, dir: &Path) -> String {
    format!(
        "the store of {node} is gone from {}: what it has promised is not known. If its disk is not mounted, mount it and \
         start this process again. If the disk is lost, {}",
        dir.display(),
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
