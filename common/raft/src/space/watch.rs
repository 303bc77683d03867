//! Keeps watch: of the own disk, of the peers' verdicts, and of who should lead.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use eggs_proto::NodeId;
use eggs_proto::registry::{SpaceLevel, SpaceReport};
use tokio::time::Instant;

use super::disk;
use super::judge::{Disk, Lines, Reserve};
use crate::net::ask_space;
use crate::node::Shared;
use crate::{Transport, keeper};

/// Between looks.
const ROUND: Duration = Duration::from_millis(500);
/// Peers are asked every so many looks.
const ASK_EVERY: u32 = 2;
const ASK_PATIENCE: Duration = Duration::from_millis(900);
/// The log store is compacted no more often than this while there is little space.
const COMPACT_EVERY: Duration = Duration::from_secs(30);
/// Groups that are handed over in one look.
const TRANSFERS_PER_ROUND: usize = 32;

/// Runs until the node is gone.
pub(crate) async fn run(node: Weak<Shared>, transport: Arc<dyn Transport>) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut compacted: Option<Instant> = None;
    for round in 0_u32.. {
        rounds.tick().await;
        let Some(node) = node.upgrade() else {
            return;
        };
        if round.is_multiple_of(ASK_EVERY) {
            ask_peers(&node, &transport);
        }
        look(&node).await;
        let level = node.space.own().level;
        if level == SpaceLevel::Ample {
            continue;
        }
        hand_over(&node).await;
        if level == SpaceLevel::Low && compacted.is_none_or(|at| at.elapsed() > COMPACT_EVERY) {
            compacted = Some(Instant::now());
            let log = Arc::clone(&node.log);
            tokio::task::spawn_blocking(move || log.compact());
        }
    }
}

/// Looks at the own disk and does with the reserve what is needed.
async fn look(node: &Arc<Shared>) {
    let (dir, reserve) = (node.dir.clone(), node.limits.reserve_bytes);
    let looked = tokio::task::spawn_blocking(move || {
        let disk = disk::look(&dir)?;
        let lines = Lines::of(disk.capacity_bytes, reserve);
        let decided = lines.reserve(&disk);
        disk::settle(&dir, decided)?;
        Ok::<_, std::io::Error>((disk, lines, decided))
    });
    match looked.await {
        Ok(Ok((disk, lines, decided))) => note(node, &disk, &lines, decided),
        // What cannot be looked at fails its writes as well, and those are watched.
        Ok(Err(error)) => tracing::debug!(%error, "the space that is left is not known"),
        Err(error) => tracing::debug!(%error, "the space that is left was not looked at"),
    }
}

fn note(node: &Shared, disk: &Disk, lines: &Lines, decided: Reserve) {
    let before = node.space.own().level;
    let level = lines.level(before, disk);
    let (available_bytes, capacity_bytes) = (disk.room(), disk.capacity_bytes);
    node.space.set_own(SpaceReport {
        level,
        available_bytes,
        capacity_bytes,
    });
    let dir = node.dir.display();
    match decided {
        Reserve::Keep => {}
        Reserve::Make(bytes) => tracing::info!(%dir, bytes, "set space aside"),
        Reserve::GiveBack => tracing::warn!(%dir, "gave back the space that was set aside"),
    }
    if level > before {
        tracing::warn!(%dir, available_bytes, ?level, "little space is left for metadata");
    } else if level < before {
        tracing::info!(%dir, available_bytes, ?level, "there is space for metadata again");
    }
}

/// Asks those who share a group with this process. Nobody waits for the answers.
fn ask_peers(node: &Arc<Shared>, transport: &Arc<dyn Transport>) {
    let voters = node.groups.iter().flat_map(|group| group.members().voters);
    let peers: BTreeSet<NodeId> = voters.filter(|voter| *voter != node.node).collect();
    for peer in peers {
        // Not the node: it must be able to end meanwhile.
        let (space, transport) = (Arc::clone(&node.space), Arc::clone(transport));
        tokio::spawn(async move {
            if let Some(level) = ask_space(transport.as_ref(), peer, ASK_PATIENCE).await {
                space.heard(peer, level, Instant::now());
            }
        });
    }
}

/// Whoever has space leads.
async fn hand_over(node: &Shared) {
    let (now, mut handed) = (Instant::now(), 0);
    for group in node.groups.iter().filter(|group| group.is_leader()) {
        if handed == TRANSFERS_PER_ROUND {
            return;
        }
        let voters = group.members().target;
        let heir = voters
            .into_iter()
            .find(|voter| node.space.is_ample(*voter, now) && keeper::is_up_to_date(group, *voter));
        if let Some(heir) = heir {
            group.transfer_leader(heir).await;
            handed += 1;
        }
    }
}
