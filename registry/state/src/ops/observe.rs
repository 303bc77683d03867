//! What the leader has heard since its last observation, and what follows from silence.

use std::collections::{BTreeMap, BTreeSet};

use eggs_machine::Fault;
use eggs_machine::bugs::{Bug, planted};
use eggs_proto::registry::ServiceReport;
use eggs_proto::{BlockServiceId, GroupId, NodeId, ServiceState};

use crate::fill::FillChange;
use crate::pace::Pace;
use crate::record::{GroupRecord, NodeRecord, ServiceRecord};
use crate::tables::{self, GROUPS, NODES};
use crate::transaction::Transaction;
use crate::{Beat, ELAPSED_MS_MAX, Observation, guard, schemes, services};

/// The last heartbeat of each process.
type Beats<'a> = BTreeMap<NodeId, &'a Beat>;

/// Takes heartbeats in, then concludes who is stale and whose reports of errors are honoured. Never refuses:
/// what is unknown or odd is left out.
pub(crate) fn observe(tx: &mut Transaction<'_>, heard: &Observation) -> Result<(), Fault> {
    advance(tx, heard);
    let beats: Beats<'_> = heard.beats.iter().map(|beat| (beat.node, beat)).collect();
    note_processes(tx, &beats)?;
    note_leaders(tx, &beats)?;
    note_services(tx, &beats)
}

/// Moves observed time on. A new leader has heard nobody yet, so everybody's silence starts with it.
fn advance(tx: &mut Transaction<'_>, heard: &Observation) {
    let cluster = &mut tx.cluster;
    cluster.stale_ms = heard.stale_ms;
    if cluster.office != heard.office {
        cluster.office = heard.office;
        cluster.office_since_ms = cluster.observed_ms;
    } else if heard.elapsed_ms <= ELAPSED_MS_MAX || planted(Bug::OutageCountsAsSilence) {
        cluster.observed_ms = cluster.observed_ms.saturating_add(heard.elapsed_ms);
    }
}

fn note_processes(tx: &mut Transaction<'_>, beats: &Beats<'_>) -> Result<(), Fault> {
    for node in beats.keys() {
        let known: Option<NodeRecord> = tables::get(tx.store, NODES, *node)?;
        if let Some(mut record) = known {
            record.last_seen = tx.now;
            record.seen_ms = tx.cluster.observed_ms;
            tables::put(tx.store, NODES, *node, &record);
        }
    }
    Ok(())
}

/// A leader that claims its group again keeps it; otherwise whoever claims it has it.
fn note_leaders(tx: &mut Transaction<'_>, beats: &Beats<'_>) -> Result<(), Fault> {
    let mut claims: BTreeMap<GroupId, BTreeSet<NodeId>> = BTreeMap::new();
    for (node, beat) in beats {
        for group in &beat.leads {
            claims.entry(*group).or_default().insert(*node);
        }
    }
    let groups: Vec<(GroupId, GroupRecord)> = tables::list(tx.store, GROUPS)?;
    for (group, mut record) in groups {
        let claimants = claims.remove(&group).unwrap_or_default();
        let claimed = claimants
            .iter()
            .copied()
            .find(|claimant| record.replicas.contains(claimant));
        let leader = match record.leader {
            Some(leader) if claimants.contains(&leader) => Some(leader),
            Some(leader) if !beats.contains_key(&leader) => claimed.or(Some(leader)),
            Some(_) | None => claimed,
        };
        if leader != record.leader {
            record.leader = leader;
            tables::put(tx.store, GROUPS, group, &record);
            tx.tell_clients();
        }
    }
    Ok(())
}

fn note_services(tx: &mut Transaction<'_>, beats: &Beats<'_>) -> Result<(), Fault> {
    let mut records = services::list(tx.store)?;
    let paces: BTreeMap<BlockServiceId, Pace> = records
        .iter()
        .map(|(id, record)| (*id, record.condition.pace))
        .collect();
    let before: BTreeMap<BlockServiceId, ServiceState> = records
        .iter()
        .map(|(id, record)| (*id, record.condition.effective()))
        .collect();
    let mut touched = BTreeSet::new();
    for (service, report) in last_reports(beats) {
        if let Some(record) = records.get_mut(&service)
            && let Some(report) = report.get(&record.node)
        {
            note_report(tx, record, report);
            touched.insert(service);
        }
    }
    for (id, record) in &mut records {
        if planted(Bug::BeatCountsForDeadDisks) && beats.contains_key(&record.node) {
            record.seen_ms = tx.cluster.observed_ms;
        }
        let stale = tx.cluster.is_stale(record.seen_ms);
        if record.condition.stale != stale {
            record.condition.stale = stale;
            touched.insert(*id);
        }
    }
    touched.extend(guard::honour_reports(
        &mut records,
        &schemes::demands(tx.store)?,
    ));
    for id in touched {
        let Some(record) = records.get(&id) else {
            continue;
        };
        if before.get(&id) != Some(&record.condition.effective()) {
            tx.tell_clients();
        }
        services::put(tx.store, id, record);
        if paces.get(&id) != Some(&record.condition.pace) {
            services::put_pace(tx.store, id, &record.condition.pace);
        }
    }
    Ok(())
}

/// The last report on each disk, by who made it.
fn last_reports<'a>(
    beats: &Beats<'a>,
) -> BTreeMap<BlockServiceId, BTreeMap<NodeId, &'a ServiceReport>> {
    let mut reports: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for beat in beats.values() {
        for report in &beat.services {
            let of_disk = reports.entry(report.service).or_default();
            of_disk.insert(beat.node, report);
        }
    }
    reports
}

fn note_report(tx: &mut Transaction<'_>, record: &mut ServiceRecord, report: &ServiceReport) {
    record.last_seen = tx.now;
    record.seen_ms = tx.cluster.observed_ms;
    record.capacity_bytes = report.capacity_bytes;
    record.available_bytes = report.available_bytes.min(report.capacity_bytes);
    record.used_bytes = report.used_bytes;
    record.blocks = report.blocks;
    record.condition.io_errors = report.io_errors;
    record.condition.fence_reported = report.fenced;
    let change = FillChange {
        published_capacity_bytes: record.published_capacity_bytes,
        published_bytes: record.published_bytes,
        capacity_bytes: record.capacity_bytes,
        available_bytes: record.available_bytes,
    };
    if change.matters() {
        record.published_bytes = record.available_bytes;
        record.published_capacity_bytes = record.capacity_bytes;
        tx.tell_clients();
    }
}
