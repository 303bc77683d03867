//! How long disks took, and which of them are slow.

use std::collections::{BTreeMap, BTreeSet};

use eggs_machine::Fault;
use eggs_proto::{BlockServiceId, ServiceState};

use crate::pace::{Pace, Peers};
use crate::transaction::Transaction;
use crate::{SlowRules, Timed, guard, schemes, services};

/// Takes latencies in, compares those disks with their peers, and acts upon it as far as the guard allows. Never
/// refuses: what is unknown or odd is left out.
pub(crate) fn judge(
    tx: &mut Transaction<'_>,
    rules: &SlowRules,
    timed: &[Timed],
) -> Result<(), Fault> {
    let observed_ms = tx.cluster.observed_ms;
    let mut records = services::list(tx.store)?;
    let before: BTreeMap<BlockServiceId, (Pace, bool, ServiceState)> = records
        .iter()
        .map(|(id, record)| {
            let condition = &record.condition;
            let state = condition.effective();
            (*id, (condition.pace, condition.fenced, state))
        })
        .collect();
    let mut heard = BTreeSet::new();
    for from in timed {
        for said in &from.disks {
            let record = records.get_mut(&said.service);
            if let Some(record) = record.filter(|record| record.node == from.node) {
                record.condition.pace.note(said, observed_ms);
                heard.insert(said.service);
            }
        }
    }
    let peers = Peers::of(&records, rules, observed_ms);
    for service in &heard {
        if let Some(record) = records.get_mut(service) {
            let look = peers.look(record);
            record.condition.pace.conclude(look, rules, observed_ms);
        }
    }
    guard::honour_reports(&mut records, &schemes::demands(tx.store)?);
    for (id, record) in &records {
        let condition = &record.condition;
        let Some((pace, fenced, state)) = before.get(id) else {
            continue;
        };
        if condition.pace != *pace {
            services::put_pace(tx.store, *id, &condition.pace);
        }
        if condition.fenced != *fenced {
            services::put(tx.store, *id, record);
        }
        if condition.effective() != *state {
            tx.tell_clients();
        }
    }
    Ok(())
}
