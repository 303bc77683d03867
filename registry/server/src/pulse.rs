//! The pulse: about once a second, and soon after news, the leader proposes what it has heard.

use std::time::{Duration, Instant};

use eggs_machine::Fault;
use eggs_proto::CallError;
use eggs_registry_state::{Observation, RegistryCommand, map_version};

use crate::replica::Replica;

/// How long news wait for more of them.
const GATHER: Duration = Duration::from_millis(100);
/// How long a proposal may take before the next pulse.
const PROPOSE: Duration = Duration::from_secs(3);

/// The last observation of this process.
#[derive(Clone, Copy)]
struct Last {
    office: u64,
    at: Instant,
}

/// Runs until dropped, at any moment.
pub(crate) async fn run(replica: &Replica, health: &eggs_obs::Health) {
    let (mut last, mut judged) = (None, Instant::now());
    loop {
        tokio::select! {
            () = tokio::time::sleep(replica.observe_every) => {}
            () = replica.beats.news() => tokio::time::sleep(GATHER).await,
        }
        note_freshness(replica, health);
        if replica.group.is_leader() {
            last = observe(replica, last).await;
            if judged.elapsed() >= replica.judge_every {
                judged = Instant::now();
                judge(replica).await;
            }
        } else {
            replica.beats.forget();
            replica.paces.forget();
            last = None;
        }
    }
}

/// How old the state is, noted also while nobody looks.
fn note_freshness(replica: &Replica, health: &eggs_obs::Health) {
    let time = replica
        .group
        .read_local(|store| map_version(store).map(|(_, time)| time));
    match time {
        Ok(time) => {
            replica.freshness.note(time, Instant::now());
        }
        Err(fault) => report_fault(health, &fault),
    }
}

fn report_fault(health: &eggs_obs::Health, fault: &Fault) {
    tracing::error!(%fault, "the registry's state cannot be read");
    health.set_dead(fault.to_string());
}

/// Proposes what was heard. Time counts from the last attempt, whether or not it got through: a lost
/// observation makes silence look shorter, never longer.
async fn observe(replica: &Replica, last: Option<Last>) -> Option<Last> {
    let now = Instant::now();
    let office = replica.group.status().term;
    let same_office = last.filter(|last| last.office == office);
    let mut elapsed = same_office.map_or(Duration::ZERO, |last| now - last.at);
    let mut portions = replica.beats.take().into_iter();
    while let Some(beats) = portions.next() {
        let observation = Observation {
            office,
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            stale_ms: replica.stale_ms,
            beats: beats.clone(),
        };
        elapsed = Duration::ZERO;
        let command = RegistryCommand::Observe(observation);
        let outcome = replica.propose(&command, None, now + PROPOSE).await;
        if let Err(error) = outcome {
            tracing::debug!(%error, "observation not committed");
            if matches!(error, CallError::NotLeader { .. }) {
                return None;
            }
            replica.beats.give_back(beats);
            portions
                .by_ref()
                .for_each(|left| replica.beats.give_back(left));
        }
    }
    Some(Last { office, at: now })
}

/// Proposes what was heard of latencies. What does not get through is said again by the disks themselves.
async fn judge(replica: &Replica) {
    let timed = replica.paces.take();
    if timed.is_empty() {
        return;
    }
    let rules = replica.slow;
    let command = RegistryCommand::Judge { rules, timed };
    let deadline = Instant::now() + PROPOSE;
    if let Err(error) = replica.propose(&command, None, deadline).await {
        tracing::debug!(%error, "latencies not committed");
    }
}
