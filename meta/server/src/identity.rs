//! Making sure that this process is who it says before any of its replicas votes.
//!
//! **Invariant:** in a new directory no replica starts before the registry has bound the process's name to it. So a
//! process whose directory was lost, which would begin as if it had promised nothing, does not begin.

use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use eggs_proto::NodeId;
use eggs_registry_client::RegistryClient;

use crate::fault::FaultBox;
use crate::label::{self, Identity, Standing};

/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Pause between questions.
const PAUSE: Duration = Duration::from_millis(200);

/// Asks until the registry answers.
async fn ask(registry: &RegistryClient, node: NodeId, identity: Identity) -> anyhow::Result<()> {
    let mut complained = false;
    loop {
        match registry.claim(node, identity.incarnation, TIMEOUT).await {
            Ok(true) => return Ok(()),
            Ok(false) => return Err(anyhow!(refused(node))),
            Err(error) if !complained => {
                complained = true;
                tracing::info!(%node, %error, "waits for the registry to confirm who this is");
            }
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Binds the process's name to a new directory; nothing to do in others.
pub(crate) async fn confirm_new(
    registry: &RegistryClient,
    dir: &Path,
    node: NodeId,
    identity: Identity,
) -> anyhow::Result<()> {
    match identity.standing {
        Standing::Settled => Ok(()),
        Standing::New => {
            ask(registry, node, identity).await?;
            label::settle(dir, node, identity)
        }
    }
}

/// Asks again in the background: in the meantime the process may have been replaced.
pub(crate) async fn confirm_again(
    registry: RegistryClient,
    node: NodeId,
    identity: Identity,
    fault: FaultBox,
) {
    if let Err(error) = ask(&registry, node, identity).await {
        fault.end(error.to_string());
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
pub(crate) fn remedy(node: NodeId) -> String {
    let role = node.role().prefix();
    format!(
        "type `eggsrun --dir DIR replace {node}`; without eggsrun, start a process with --join, an empty directory and a \
         number never used, then type `eggscli meta replace {node} {role}N --cluster-secret-file FILE`, N being that \
         number"
    )
}
