//! A process whose directory is lost gets a new name, under which it takes its own place.
//!
//! **Invariant:** from then on nobody acts under its old name, whatever directory turns up.
//! **Invariant:** of the replicas of a group at most one is lost and not yet replaced, and the others are a majority that
//! is heard of: what is lost by giving up a name is never the last copy of anything.

use std::collections::BTreeSet;

use eggs_machine::Fault;
use eggs_proto::registry::{Succession, SuccessionWait};
use eggs_proto::{GroupId, InvalidArgument, NodeId, ProcessRole, Refusal};

use crate::SUCCESSION_PAUSE_MS;
use crate::record::{GroupRecord, IdentityRecord, IdentityState, NodeRecord, SuccessorRecord};
use crate::tables::{self, GROUPS, IDENTITIES, NODES, SUCCESSORS};
use crate::transaction::{Stop, Transaction};

/// Who has lost what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost {
    /// The process, or any of those whose place it has taken.
    pub node: NodeId,
    /// The directory that acted as it, if it is there and damaged.
    pub was: Option<u64>,
    /// The new directory.
    pub incarnation: u64,
}

/// All who had one place, one after the other.
struct Line {
    /// Ascending; the last one is who acts now.
    nodes: Vec<NodeId>,
    /// How the last one came to its name, if it took a place.
    last: Option<SuccessorRecord>,
}

/// Gives the process its next name, unless it has to wait.
pub(crate) fn succeed(tx: &mut Transaction<'_>, lost: Lost) -> Result<Succession, Stop> {
    match lost.node.role() {
        ProcessRole::Registry | ProcessRole::Shard | ProcessRole::Cdc => {}
        // They have no replicas.
        ProcessRole::Blocks | ProcessRole::Gc | ProcessRole::Client => {
            return Err(Refusal::Invalid(InvalidArgument::Range).into());
        }
    }
    let line = line_of(tx, lost.node)?;
    let Some(current) = line.nodes.last().copied() else {
        return Err(Refusal::NotFound.into());
    };
    let identity: Option<IdentityRecord> = tables::get(tx.store, IDENTITIES, current)?;
    let identity = identity.ok_or(Refusal::NotFound)?;
    if identity.state == IdentityState::Retired {
        return Err(Refusal::Exists.into()); // a person has put another in its place
    }
    if identity.incarnation == lost.incarnation {
        return match line.last {
            Some(record) if record.incarnation == lost.incarnation => named(tx, &line),
            Some(_) | None => Err(Refusal::Exists.into()), // nothing is lost
        };
    }
    if lost.was.is_some_and(|was| was != identity.incarnation) {
        return Err(Refusal::Exists.into());
    }
    if let Some(wait) = wait_for(tx, &line, lost)? {
        return Ok(Succession::Waits(wait));
    }
    let node = current.successor().ok_or(Refusal::Exists)?;
    let successor = SuccessorRecord {
        node,
        incarnation: lost.incarnation,
        since: tx.now,
    };
    tables::put(tx.store, SUCCESSORS, current, &successor);
    let identity = IdentityRecord {
        incarnation: lost.incarnation,
        state: IdentityState::Claimed,
    };
    tables::put(tx.store, IDENTITIES, node, &identity);
    let nodes = line.nodes.into_iter().chain([node]).collect();
    let last = Some(successor);
    named(tx, &Line { nodes, last })
}

fn line_of(tx: &Transaction<'_>, node: NodeId) -> Result<Line, Fault> {
    let (mut nodes, mut last) = (vec![node.place()], None);
    let mut at = node.place();
    // A successor has a larger number, so this ends.
    while let Some(next) = tables::get::<_, SuccessorRecord>(tx.store, SUCCESSORS, at)?
        && next.node > at
    {
        at = next.node;
        nodes.push(at);
        last = Some(next);
    }
    Ok(Line { nodes, last })
}

/// The last one's name, and whose place it takes: those before it that have not retired.
fn named(tx: &Transaction<'_>, line: &Line) -> Result<Succession, Stop> {
    let (node, before) = line.nodes.split_last().ok_or(Refusal::NotFound)?;
    let mut places = Vec::new();
    for place in before {
        let identity: Option<IdentityRecord> = tables::get(tx.store, IDENTITIES, *place)?;
        if identity.is_some_and(|identity| identity.state == IdentityState::Claimed) {
            places.push(*place);
        }
    }
    Ok(Succession::Named {
        node: *node,
        places,
    })
}

fn wait_for(
    tx: &Transaction<'_>,
    line: &Line,
    lost: Lost,
) -> Result<Option<SuccessionWait>, Fault> {
    if let (Some(current), None) = (line.nodes.last(), lost.was)
        && may_live(tx, *current)?
    {
        return Ok(Some(SuccessionWait::Heard(*current)));
    }
    if let Some(record) = line.last {
        let until = record.since.plus_ms(SUCCESSION_PAUSE_MS);
        if tx.now < until {
            let ms = until.ms_since(tx.now);
            return Ok(Some(SuccessionWait::TooSoon { ms }));
        }
    }
    let ours: BTreeSet<NodeId> = line.nodes.iter().copied().collect();
    let groups: Vec<(GroupId, GroupRecord)> = tables::list(tx.store, GROUPS)?;
    let in_registry = lost.node.role() == ProcessRole::Registry;
    if in_registry && !groups.iter().any(|(group, _)| *group == GroupId::REGISTRY) {
        // A process of the registry has its replica from the beginning, also before it was said who the members are.
        return Ok(Some(SuccessionWait::NoMajority(GroupId::REGISTRY)));
    }
    for (group, record) in groups {
        if record.replicas.iter().any(|node| ours.contains(node))
            && let Some(wait) = wait_for_group(tx, (group, &record), &ours)?
        {
            return Ok(Some(wait));
        }
    }
    Ok(None)
}

/// Whether a group can spare the replica for as long as it takes to make another.
fn wait_for_group(
    tx: &Transaction<'_>,
    (group, record): (GroupId, &GroupRecord),
    ours: &BTreeSet<NodeId>,
) -> Result<Option<SuccessionWait>, Fault> {
    let mut heard = 0;
    for other in record.replicas.iter().filter(|node| !ours.contains(node)) {
        let successor: Option<SuccessorRecord> = tables::get(tx.store, SUCCESSORS, *other)?;
        if successor.is_some() {
            return Ok(Some(SuccessionWait::Rebuilding(*other)));
        }
        heard += usize::from(lives(tx, *other)?);
    }
    let majority = record.replicas.len() / 2 + 1;
    Ok((heard < majority).then_some(SuccessionWait::NoMajority(group)))
}

/// Whether it is not sure that nobody acts as a process.
fn may_live(tx: &Transaction<'_>, node: NodeId) -> Result<bool, Fault> {
    let known: Option<NodeRecord> = tables::get(tx.store, NODES, node)?;
    Ok(known.is_some_and(|known| !tx.cluster.is_stale(known.seen_ms)))
}

/// Whether it is sure that somebody does: the leader of the registry has heard of it itself.
fn lives(tx: &Transaction<'_>, node: NodeId) -> Result<bool, Fault> {
    let known: Option<NodeRecord> = tables::get(tx.store, NODES, node)?;
    let cluster = &tx.cluster;
    Ok(known.is_some_and(|known| {
        known.seen_ms > cluster.office_since_ms && !cluster.is_stale(known.seen_ms)
    }))
}
