//! `meta verify`: whether the replicas of each group hold the same, as of one place in its log.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use eggs_client::Client;
use eggs_proto::meta::{MetaReply, MetaRequest, StateDigest};
use eggs_proto::{CallError, GroupId, NodeId};
use futures::{StreamExt as _, stream};
use serde_json::json;

use super::{PAUSE, draw};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::meta::ask::{leader_of, look, needs_secret};
use crate::output::{Format, Output};
use crate::progress::Countdown;

/// Groups compared at the same time: each process makes few digests at once.
const COMPARED_AT_ONCE: usize = 4;
/// How long a group may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long all replicas of a group may take before it is ordered again.
const ROUND: Duration = Duration::from_secs(10);

/// What came of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// All replicas hold the same.
    Same,
    /// Who differs from most in which tables.
    Differs(Vec<(NodeId, Vec<u8>)>),
    /// Who made no digest.
    Silent(Vec<NodeId>),
    /// It could not be ordered, and why.
    Refused(String),
}

/// Compares all replicas.
pub(crate) async fn compare(context: &Context) -> Result<Exit, Failure> {
    let client = &context.client;
    let view = look(client).await?;
    let groups: Vec<GroupId> = view.groups.keys().copied().collect();
    let mut progress = Countdown::new("groups to compare".into(), groups.len() as u64);
    let mut left = groups.len() as u64;
    let compared = stream::iter(groups)
        .map(|group| async move { (group, one(client, group).await) })
        .buffered(COMPARED_AT_ONCE);
    let mut compared = std::pin::pin!(compared);
    let mut verdicts = Vec::new();
    while let Some((group, verdict)) = compared.next().await {
        verdicts.push((group, verdict?));
        left -= 1;
        progress.show(left);
    }
    drop(progress);
    tell(context, &verdicts)
}

fn tell(context: &Context, verdicts: &[(GroupId, Verdict)]) -> Result<Exit, Failure> {
    let mut output = Output::new();
    let (mut same, mut differ, mut silent) = (0, Vec::new(), Vec::new());
    let mut refused = Vec::new();
    for (group, verdict) in verdicts {
        match verdict {
            Verdict::Same => same += 1,
            Verdict::Differs(nodes) => {
                for (node, tables) in nodes {
                    differ.push((group.to_string(), node.to_string(), tables.clone()));
                }
            }
            Verdict::Silent(nodes) => {
                silent.extend(
                    nodes
                        .iter()
                        .map(|node| (group.to_string(), node.to_string())),
                );
            }
            Verdict::Refused(why) => refused.push((group.to_string(), why)),
        }
    }
    match context.format {
        Format::Text => {
            for (group, node, tables) in &differ {
                let tables: Vec<_> = tables.iter().map(u8::to_string).collect();
                output.line(format!(
                    "{group} on {node} DIFFERS in tables {}: replace it (`eggscli meta replace`)",
                    tables.join(", ")
                ))?;
            }
            for (group, node) in &silent {
                output.line(format!("{group} on {node} made no digest"))?;
            }
            for (group, why) in &refused {
                output.line(format!("{group} was not compared: {why}"))?;
            }
            output.line(format!(
                "{same} of {} groups are the same on all replicas",
                verdicts.len()
            ))?;
        }
        Format::Json => {
            let differ: Vec<_> = differ
                .iter()
                .map(
                    |(group, node, tables)| json!({"group": group, "node": node, "tables": tables}),
                )
                .collect();
            let silent: Vec<_> = silent
                .iter()
                .map(|(group, node)| json!({"group": group, "node": node}))
                .collect();
            let refused: Vec<_> = refused
                .iter()
                .map(|(group, why)| json!({"group": group, "why": why}))
                .collect();
            output.json(&json!({
                "groups": verdicts.len(), "same": same, "differ": differ, "silent": silent, "refused": refused,
            }))?;
        }
    }
    output.finish()?;
    Ok(if same == verdicts.len() {
        Exit::Fine
    } else {
        Exit::Degraded
    })
}

/// Compares one group.
async fn one(client: &Client, group: GroupId) -> Result<Verdict, Failure> {
    let begin = Instant::now();
    let mut last = Verdict::Refused("nobody leads it".into());
    while begin.elapsed() < PATIENCE {
        if let Some((leader, info)) = leader_of(client, group).await? {
            last = attempt(client, (group, leader), &info.voters).await?;
            if matches!(last, Verdict::Same | Verdict::Differs(_)) {
                break;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(last)
}

async fn attempt(
    client: &Client,
    (group, leader): (GroupId, NodeId),
    voters: &[NodeId],
) -> Result<Verdict, Failure> {
    let id = draw(client);
    if let Err(why) = order(client, leader, (group, id)).await? {
        return Ok(Verdict::Refused(why));
    }
    let digests = gather(client, voters, (group, id)).await?;
    let others = voters.iter().copied();
    let silent: Vec<NodeId> = others.filter(|node| !digests.contains_key(node)).collect();
    Ok(match judge(&digests) {
        Verdict::Same if !silent.is_empty() => Verdict::Silent(silent),
        verdict => verdict,
    })
}

/// Has a digest made by all replicas; why not, if it cannot be.
async fn order(
    client: &Client,
    leader: NodeId,
    (group, id): (GroupId, u64),
) -> Result<Result<(), String>, Failure> {
    let asked = MetaRequest::Digest { group, id };
    match client.meta(leader, &asked).await {
        Ok(Ok(_)) => Ok(Ok(())),
        Ok(Err(CallError::Forbidden)) => Err(needs_secret()),
        Ok(Err(error)) => Ok(Err(format!("{leader}: {error}"))),
        Err(error) => Ok(Err(format!("{leader}: {error}"))),
    }
}

/// What the replicas hold, as far as they say so in time.
async fn gather(
    client: &Client,
    voters: &[NodeId],
    (group, id): (GroupId, u64),
) -> Result<BTreeMap<NodeId, StateDigest>, Failure> {
    let begin = Instant::now();
    let mut digests = BTreeMap::new();
    while begin.elapsed() < ROUND && digests.len() < voters.len() {
        for node in voters {
            if digests.contains_key(node) {
                continue;
            }
            let answer = client
                .meta(*node, &MetaRequest::DigestOf { group, id })
                .await;
            match answer {
                Ok(Ok(MetaReply::Digest(Some(digest)))) => {
                    digests.insert(*node, digest);
                }
                Ok(Err(CallError::Forbidden)) => return Err(needs_secret()),
                Ok(_) | Err(_) => {}
            }
        }
        if digests.len() < voters.len() {
            tokio::time::sleep(PAUSE / 10).await;
        }
    }
    Ok(digests)
}

/// Whoever is not of the opinion of most differs; without a majority all do.
fn judge(digests: &BTreeMap<NodeId, StateDigest>) -> Verdict {
    let votes = |digest: &StateDigest| digests.values().filter(|other| *other == digest).count();
    let right = digests.values().max_by_key(|digest| votes(digest));
    let Some(right) = right.filter(|right| votes(right) < digests.len()) else {
        return Verdict::Same;
    };
    let decided = votes(right) * 2 > digests.len();
    let differs = digests
        .iter()
        .filter(|(_, digest)| !decided || *digest != right)
        .map(|(node, digest)| (*node, tables(digest, right)));
    Verdict::Differs(differs.collect())
}

/// Tables that are not the same.
fn tables(one: &StateDigest, other: &StateDigest) -> Vec<u8> {
    let lacks = |of: &StateDigest, than: &StateDigest| -> Vec<u8> {
        let missing = of
            .tables
            .iter()
            .filter(|table| !than.tables.contains(table));
        missing.map(|table| table.table).collect()
    };
    let mut tables = [lacks(one, other), lacks(other, one)].concat();
    tables.sort_unstable();
    tables.dedup();
    tables
}

#[cfg(test)]
mod tests {
    use eggs_proto::ProcessRole;
    use eggs_proto::image::TableDigest;

    use super::*;

    fn digest(values: &[(u8, u64)]) -> StateDigest {
        let table = |(table, digest): &(u8, u64)| TableDigest {
            table: *table,
            rows: 1,
            digest: *digest,
        };
        StateDigest {
            index: 5,
            tables: values.iter().map(table).collect(),
        }
    }

    #[test]
    fn the_minority_differs() {
        let node = |index| NodeId::new(ProcessRole::Shard, index);
        let of = |all: [StateDigest; 3]| (0..).map(node).zip(all).collect();
        let (good, bad) = (digest(&[(16, 1), (17, 2)]), digest(&[(16, 1), (17, 3)]));
        assert_eq!(
            judge(&of([good.clone(), good.clone(), good.clone()])),
            Verdict::Same
        );
        assert_eq!(
            judge(&of([good.clone(), bad.clone(), good.clone()])),
            Verdict::Differs(vec![(node(1), vec![17])])
        );
        let gone = digest(&[(16, 1)]);
        assert_eq!(
            judge(&of([good.clone(), good.clone(), gone.clone()])),
            Verdict::Differs(vec![(node(2), vec![17])])
        );
        let Verdict::Differs(all) = judge(&of([good, bad, gone])) else {
            panic!("they differ");
        };
        assert_eq!(all.len(), 3);
    }
}
