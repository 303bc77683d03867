//! Keeps the totals of directory trees: takes what is dirty on the shards that this process leads to the parents' shards.
//!
//! A shard is looked at a moment after one of its changes, so that a burst of changes costs one report for each
//! directory and level; and once when its leadership comes here. While nothing changes, nothing is done.
//!
//! **Invariant:** what is owed is read from the state; a wake-up or a report that is lost is made up for after the next
//! change, or by the next leader.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use eggs_proto::shard::{ShardChange, ShardQuery, ShardReply};
use eggs_proto::tree::{TreeReport, TreeSums, TreeTotals};
use eggs_proto::{
    CallError, GroupId, InodeId, InodeKind, LIST_ENTRIES_MAX, Refusal, RequestId, ShardId, Time,
};
use eggs_shard::trees::{TreeWork, pending};
use futures::stream::{self, StreamExt as _};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::peers::Peers;

/// How long changes are gathered before they are reported.
const GATHER: Duration = Duration::from_secs(1);
/// Between looks at who leads.
const LEADERSHIP: Duration = Duration::from_secs(5);
/// Longest pause before a report that was not taken is sent again.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// Shards that are worked for at the same time.
const SHARDS_IN_FLIGHT: usize = 8;
/// Directories of a shard in one round.
const ROUND_MAX: usize = 1024;

const _: () = assert!(ROUND_MAX <= LIST_ENTRIES_MAX as usize);

/// Shards that have changed.
#[derive(Default)]
pub(super) struct Changed {
    shards: Mutex<BTreeSet<ShardId>>,
    notify: Notify,
}

impl Changed {
    /// A change of a shard was accepted here.
    pub fn note(&self, shard: ShardId) {
        if self.lock().insert(shard) {
            self.notify.notify_one();
        }
    }

    fn take(&self) -> BTreeSet<ShardId> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<ShardId>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes totals to the parents.
pub(super) struct Trees {
    pub peers: Peers,
    /// Names our changes, together with a running number.
    pub client: u64,
}

/// Names changes.
struct Ids {
    client: u64,
    next: u64,
}

impl Ids {
    fn next(&mut self) -> RequestId {
        self.next += 1;
        RequestId {
            client: self.client,
            sequence: self.next,
        }
    }
}

/// Whether it is noted what was reported.
#[derive(PartialEq, Eq)]
enum Settled {
    Yes,
    No,
}

/// When a shard is looked at again, and after which pause.
type Retries = BTreeMap<ShardId, (Instant, Duration)>;

/// What a round for a shard came to.
enum Round {
    /// Nothing is left.
    Done,
    /// There is more to do, or it did not work; the latter pauses longer each time.
    Again(Progress),
}

enum Progress {
    Some,
    None,
}

impl Trees {
    pub async fn run(self, stop: CancellationToken) {
        let this = &self;
        let (mut led, mut retries, mut sequence) = (BTreeSet::new(), Retries::new(), 0);
        loop {
            let changed = &self.peers.front.service.changed;
            let retry = retries.values().map(|(at, _)| *at).min();
            let wake = retry.map_or(LEADERSHIP, |at| {
                at.saturating_duration_since(Instant::now()).min(LEADERSHIP)
            });
            tokio::select! {
                () = stop.cancelled() => return,
                () = changed.notify.notified() => {}
                () = tokio::time::sleep(wake) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(GATHER) => {}
            }
            let mut due = changed.take();
            due.extend(self.newly_led(&mut led));
            let now = Instant::now();
            due.extend(
                retries
                    .iter()
                    .filter(|(_, (at, _))| *at <= now)
                    .map(|(shard, _)| *shard),
            );
            due.retain(|shard| led.contains(shard));
            retries.retain(|shard, _| led.contains(shard));
            let numbered = due.into_iter().map(|shard| {
                sequence += ROUND_MAX as u64 * 4; // more than a round needs
                (shard, sequence)
            });
            let rounds = stream::iter(numbered.collect::<Vec<_>>())
                .map(|(shard, first)| async move { (shard, this.round(shard, first).await) })
                .buffer_unordered(SHARDS_IN_FLIGHT);
            let mut rounds = std::pin::pin!(rounds);
            while let Some((shard, round)) = rounds.next().await {
                note(&mut retries, shard, &round);
            }
        }
    }

    /// Shards whose leadership has come here since the last look.
    fn newly_led(&self, led: &mut BTreeSet<ShardId>) -> BTreeSet<ShardId> {
        let now: BTreeSet<ShardId> = self
            .peers
            .node
            .groups()
            .filter(|group| group.is_leader())
            .filter_map(|group| group.id().shard())
            .collect();
        let new = now.difference(led).copied().collect();
        *led = now;
        new
    }

    async fn round(&self, shard: ShardId, first: u64) -> Round {
        let Some(group) = self.peers.node.group(GroupId::of_shard(shard)) else {
            return Round::Done;
        };
        let work = match group.read_local(|store| pending(shard, store, ROUND_MAX)) {
            Ok(work) => work,
            Err(fault) => {
                drop(self.peers.front.service.fault.report(&fault));
                return Round::Done;
            }
        };
        if work.is_empty() {
            return Round::Done;
        }
        let mut ids = Ids {
            client: self.client,
            next: first,
        };
        let mut reports = work.reports.clone();
        reports.extend(self.sizes(shard, &work).await);
        let reports_count = reports.len();
        let (reported, taken) = self.report(&mut ids, reports).await;
        let settled: Vec<_> = work.gone.into_iter().chain(reported).collect();
        let progress = match taken {
            0 => Progress::None,
            _ => Progress::Some,
        };
        let settled = self.settle(&mut ids, shard, settled).await;
        if taken < reports_count || work.more || settled == Settled::No {
            Round::Again(progress)
        } else {
            Round::Done
        }
    }

    /// Sends reports to the shards of their parents. Says which directories were taken, and how many reports.
    async fn report(
        &self,
        ids: &mut Ids,
        reports: Vec<TreeReport>,
    ) -> (Vec<(InodeId, Time)>, usize) {
        let mut by_shard: BTreeMap<ShardId, Vec<TreeReport>> = BTreeMap::new();
        for report in reports {
            let target = report.parent.shard();
            by_shard.entry(target).or_default().push(report);
        }
        let (mut reported, mut count) = (Vec::new(), 0);
        for (target, reports) in by_shard {
            for part in reports.chunks(ROUND_MAX) {
                let reports = part.to_vec();
                let change = ShardChange::ReportTrees { reports };
                let taken = match self.peers.change(target, (ids.next(), change)).await {
                    Ok(ShardReply::TreesTaken(taken)) => taken,
                    Ok(_) | Err(_) => Vec::new(), // again later
                };
                for (report, _) in part.iter().zip(taken).filter(|(_, taken)| *taken) {
                    count += 1;
                    if report.child.is_directory() {
                        reported.push((report.child, report.version));
                    }
                }
            }
        }
        (reported, count)
    }

    /// Notes that directories have reported.
    async fn settle(
        &self,
        ids: &mut Ids,
        shard: ShardId,
        settled: Vec<(InodeId, Time)>,
    ) -> Settled {
        for part in settled.chunks(ROUND_MAX) {
            let reported = part.to_vec();
            let change = ShardChange::SettleTrees { reported };
            let answer = self.peers.change(shard, (ids.next(), change)).await;
            if answer.is_err() {
                return Settled::No;
            }
        }
        Settled::Yes
    }

    /// Sizes of files of other shards, as reports to this one.
    async fn sizes(&self, shard: ShardId, work: &TreeWork) -> Vec<TreeReport> {
        let asked = work.wanted.iter().map(|pair| self.size(*pair));
        let asked = stream::iter(asked.collect::<Vec<_>>());
        let answers: Vec<_> = asked.buffer_unordered(SHARDS_IN_FLIGHT).collect().await;
        tracing::trace!(%shard, files = answers.len(), "asked for sizes");
        answers.into_iter().flatten().collect()
    }

    async fn size(&self, (parent, file): (InodeId, InodeId)) -> Option<TreeReport> {
        if file.kind() == InodeKind::Symlink {
            return Some(report_of_file((parent, file), 0, 0)); // targets are metadata
        }
        let query = ShardQuery::Stat { inode: file };
        let (bytes, physical_bytes) = match self.peers.query(file.shard(), query).await {
            Ok(ShardReply::Attributes(found)) => (found.size, found.physical_bytes),
            // On its way out; the snapshot goes soon.
            Err(CallError::Refused(Refusal::NotFound)) => (0, 0),
            Ok(_) | Err(_) => return None,
        };
        Some(report_of_file((parent, file), bytes, physical_bytes))
    }
}

/// A linked file never changes, so that its first version is its last.
fn report_of_file(
    (parent, child): (InodeId, InodeId),
    bytes: u64,
    physical_bytes: u64,
) -> TreeReport {
    let current = TreeSums {
        bytes: u128::from(bytes),
        physical_bytes: u128::from(physical_bytes),
        ..TreeSums::default()
    };
    TreeReport {
        parent,
        child,
        version: Time(1),
        totals: TreeTotals {
            current,
            old: TreeSums::default(),
        },
    }
}

fn note(retries: &mut Retries, shard: ShardId, round: &Round) {
    let pause = match (round, retries.get(&shard)) {
        (Round::Done, _) => {
            retries.remove(&shard);
            return;
        }
        (Round::Again(Progress::Some), _) | (_, None) => GATHER,
        (Round::Again(Progress::None), Some((_, pause))) => (*pause * 2).min(RETRY_MAX),
    };
    retries.insert(shard, (Instant::now() + pause, pause));
}
