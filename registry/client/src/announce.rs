//! Telling the registry that a process is there, and how it is.

use std::time::Duration;

use eggs_proto::registry::{DiskPace, ServiceRegistration, ServiceReport};
use eggs_proto::{GroupId, NodeId};
use tokio_util::sync::CancellationToken;

use crate::RegistryClient;

/// Between heartbeats.
const HEARTBEAT: Duration = Duration::from_millis(1000);
/// How long one of them may take; the next one says the same and more.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Pause between attempts to register.
const PAUSE: Duration = Duration::from_millis(500);
/// Heartbeats in a row that failed, after which the process registers again.
const REGISTER_AGAIN_AFTER: u32 = 3;
/// Every how many heartbeats it is said how long disks take.
const BEATS_PER_PACE: u32 = 10;

/// What a process says once, when it starts.
#[derive(Clone, Debug)]
pub struct Member {
    /// The process.
    pub node: NodeId,
    /// Where it serves, `host:port`.
    pub address: String,
    /// Groups that it replicates, with all their members.
    pub groups: Vec<(GroupId, Vec<NodeId>)>,
    /// Disks that it serves.
    pub services: Vec<ServiceRegistration>,
}

/// What a process says again and again.
#[derive(Clone, Debug, Default)]
pub struct Condition {
    /// Groups that it leads.
    pub leads: Vec<GroupId>,
    /// How its disks are.
    pub services: Vec<ServiceReport>,
    /// How long they took lately.
    pub paces: Vec<DiskPace>,
}

/// Registers a process and reports its condition until `stop`. `condition` must not block.
pub async fn announce(
    registry: RegistryClient,
    member: Member,
    mut condition: impl FnMut() -> Condition + Send,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = register(&registry, &member) => {}
        }
        tracing::info!(node = %member.node, address = %member.address, "registered");
        let (mut failed, mut beats) = (0, 0u32);
        while failed < REGISTER_AGAIN_AFTER {
            let Condition {
                leads,
                services,
                paces,
            } = condition();
            beats = beats.wrapping_add(1);
            let with_pace = beats.is_multiple_of(BEATS_PER_PACE) && !paces.is_empty();
            let beat = async {
                registry
                    .heartbeat(member.node, leads, services, TIMEOUT)
                    .await?;
                if with_pace {
                    // What an older registry does not know or a newer leader missed is said again.
                    if let Err(error) = registry.pace(member.node, paces, TIMEOUT).await {
                        tracing::debug!(%error, "latencies not told");
                    }
                }
                Ok::<(), crate::RegistryError>(())
            };
            let beat = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                beat = beat => beat,
            };
            failed = if beat.is_ok() { 0 } else { failed + 1 };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(HEARTBEAT) => {}
            }
        }
    }
}

async fn register(registry: &RegistryClient, member: &Member) {
    let mut complained = false;
    loop {
        let Member {
            node,
            address,
            groups,
            services,
        } = member.clone();
        let registered = registry
            .register(node, address, groups, services, TIMEOUT)
            .await;
        match registered {
            Ok(()) => return,
            Err(error) if !complained => {
                complained = true;
                tracing::warn!(node = %member.node, %error, "not registered yet; trying on");
            }
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}
