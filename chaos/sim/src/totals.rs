//! Takes the totals of directory trees to the parents: as `meta/server/src/shard/trees.rs` does.

use std::collections::BTreeMap;

use eggs_proto::shard::{ShardChange, ShardQuery, ShardReply};
use eggs_proto::tree::{TreeReport, TreeSums, TreeTotals};
use eggs_proto::{GroupId, InodeId, InodeKind, Refusal, ShardId, Time};
use eggs_shard::trees::{TreeWork, pending};

use crate::client::{Client, Failure, Outcome};

/// How long changes are gathered before they are reported.
const GATHER_US: u64 = 1_000_000;
/// How long anything of it is waited for, in seconds.
const PATIENCE_S: u64 = 5;
/// Directories of a shard in one round: few, so that there are several rounds.
const ROUND_MAX: usize = 16;

/// Of a thousand reports so many are sent again much later, by a process that was stalled before it sent them.
const LATE_PERMILLE: u64 = 50;
/// How late.
const LATE_US_MAX: u64 = 20_000_000;

/// Works for the shards that a process believes to lead, until it dies.
pub(crate) async fn keep_totals(client: Client) {
    let mut late: Vec<(u64, ShardId, ShardChange)> = Vec::new();
    loop {
        client.sim.sleep_us(GATHER_US).await;
        let now_us = client.sim.now_us();
        for (_, target, change) in late.extract_if(.., |(at_us, _, _)| *at_us <= now_us) {
            let deadline_us = client.deadline(PATIENCE_S);
            let _ = client.change(target, change, deadline_us).await; // old by now
        }
        let led: Vec<ShardId> = client.sim.with(|world| {
            let process = world.processes.get(&client.node);
            let led = process.into_iter().flat_map(|p| p.memory.leads.keys());
            led.filter_map(|group| group.shard()).collect()
        });
        for shard in led {
            if let Some(work) = owed(&client, shard) {
                // Whatever fails is owed again.
                let _ = round(&client, shard, work, &mut late).await;
            }
        }
    }
}

/// What a shard owes as this process knows it: a deposed leader may know old state.
fn owed(client: &Client, shard: ShardId) -> Option<TreeWork> {
    client.sim.with(|world| {
        let id = GroupId::of_shard(shard);
        let process = world.processes.get(&client.node)?;
        if !process.leads(id, world.now_us) {
            return None;
        }
        let group = world.group(id);
        let work = if group.leader == Some(client.node) {
            pending(shard, &group.state, ROUND_MAX)
        } else {
            pending(shard, group.behind(), ROUND_MAX)
        };
        match work {
            Ok(work) => (!work.is_empty()).then_some(work),
            Err(fault) => {
                world.violate(|| format!("{id}: what it owes is a fault: {fault}"));
                None
            }
        }
    })
}

async fn round(
    client: &Client,
    shard: ShardId,
    work: TreeWork,
    late: &mut Vec<(u64, ShardId, ShardChange)>,
) -> Outcome<()> {
    let mut reports: BTreeMap<ShardId, Vec<TreeReport>> = BTreeMap::new();
    for report in work.reports {
        let target = report.parent.shard();
        reports.entry(target).or_default().push(report);
    }
    for pair in work.wanted {
        if let Some(report) = size(client, pair).await? {
            reports.entry(shard).or_default().push(report);
        }
    }
    let mut reported = work.gone;
    for (target, reports) in reports {
        let change = ShardChange::ReportTrees {
            reports: reports.clone(),
        };
        client.sim.with(|world| {
            if world.random.permille(LATE_PERMILLE) {
                let at_us = world.now_us + world.random.below(LATE_US_MAX);
                late.push((at_us, target, change.clone()));
            }
        });
        let deadline_us = client.deadline(PATIENCE_S);
        let answer = client.change(target, change, deadline_us).await;
        let Ok(ShardReply::TreesTaken(taken)) = answer else {
            client
                .sim
                .with(|world| world.coverage.hit("a report of totals was lost"));
            continue;
        };
        for (report, taken) in reports.into_iter().zip(taken) {
            if !taken {
                client
                    .sim
                    .with(|world| world.coverage.hit("a report of totals was not taken"));
            } else if report.child.is_directory() {
                reported.push((report.child, report.version));
            }
        }
    }
    let deadline_us = client.deadline(PATIENCE_S);
    let change = ShardChange::SettleTrees { reported };
    client.change(shard, change, deadline_us).await.map(|_| ())
}

/// The size of a file of another shard, as a report to the directory that it is in.
async fn size(client: &Client, (parent, child): (InodeId, InodeId)) -> Outcome<Option<TreeReport>> {
    let found = if child.kind() == InodeKind::Symlink {
        (0, 0) // targets are metadata
    } else {
        let deadline_us = client.deadline(PATIENCE_S);
        let query = ShardQuery::Stat { inode: child };
        match client.query(child.shard(), query, deadline_us).await {
            Ok(ShardReply::Attributes(found)) => (found.size, found.physical_bytes),
            Err(Failure::Refused(Refusal::NotFound)) => (0, 0), // on its way out
            Ok(_) | Err(_) => return Ok(None),
        }
    };
    let current = TreeSums {
        bytes: u128::from(found.0),
        physical_bytes: u128::from(found.1),
        ..TreeSums::default()
    };
    let old = TreeSums::default();
    Ok(Some(TreeReport {
        parent,
        child,
        version: Time(1), // a linked file never changes
        totals: TreeTotals { current, old },
    }))
}
