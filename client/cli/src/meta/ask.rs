//! Asking processes about their replicas, and leaders for changes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use eggs_client::{Client, ClientError};
use eggs_proto::meta::{MemberStep, MetaReply, MetaRequest, ReplicaInfo, Wait};
use eggs_proto::moves::{Move, Next, next};
use eggs_proto::{CallError, CallResult, GroupId, NodeId};
use futures::StreamExt as _;
use futures::stream;

use super::view::{View, hosts};
use crate::failure::{Exit, Failure};

/// Processes asked at the same time.
const ASKED_AT_ONCE: usize = 32;
/// Between looks at a group that is not ready for the next step.
const PAUSE: Duration = Duration::from_millis(200);

/// Asks every process how its replicas are.
pub(crate) async fn look(client: &Client) -> Result<View, Failure> {
    let failed = |error| Failure::remote("ask", "the registry", &error);
    let map = client.refresh_map().await.map_err(failed)?;
    let nodes: Vec<NodeId> = hosts(&map).collect();
    let asked = stream::iter(nodes).map(|node| async move {
        let answer = client
            .meta(node, &MetaRequest::Replicas { group: None })
            .await;
        (node, replicas(answer))
    });
    let answers: Vec<_> = asked.buffer_unordered(ASKED_AT_ONCE).collect().await;
    let mut nodes = BTreeMap::new();
    for (node, answer) in answers {
        nodes.insert(node, answer?);
    }
    Ok(View::of(nodes))
}

/// What one process said; `None` if it cannot be reached.
fn replicas(
    answer: Result<CallResult<MetaReply>, ClientError>,
) -> Result<Option<Vec<ReplicaInfo>>, Failure> {
    match answer {
        Ok(Ok(MetaReply::Replicas(replicas))) => Ok(Some(replicas)),
        Ok(Err(CallError::Forbidden)) => Err(needs_secret()),
        Ok(_) => Ok(None),
        Err(error @ ClientError::Unauthorized { .. }) => {
            Err(Failure::remote("ask", "a process", &error))
        }
        Err(_) => Ok(None),
    }
}

pub(crate) fn needs_secret() -> Failure {
    Failure::new(
        Exit::Failed,
        "this needs the cluster secret; give it with --cluster-secret-file",
    )
}

/// A group's leader and how it describes the group; `None` if nobody is known to lead.
pub(crate) async fn leader_of(
    client: &Client,
    group: GroupId,
) -> Result<Option<(NodeId, ReplicaInfo)>, Failure> {
    let map = client.map();
    let info = map.groups.get(usize::from(group.0));
    let mut candidates: Vec<NodeId> = info.and_then(|info| info.leader).into_iter().collect();
    candidates.extend(info.iter().flat_map(|info| info.replicas.clone()));
    // A process that votes since a moment is not on the map's list.
    let role = candidates.last().map(|node| node.role());
    candidates.extend(hosts(&map).filter(|node| Some(node.role()) == role));
    let mut asked = Vec::new();
    let mut at = 0;
    while let Some(node) = candidates.get(at).copied() {
        at += 1;
        if asked.contains(&node) {
            continue;
        }
        asked.push(node);
        let request = MetaRequest::Replicas { group: Some(group) };
        let answer = replicas(client.meta(node, &request).await)?;
        let Some(info) = answer.and_then(|all| all.into_iter().next()) else {
            continue;
        };
        match info.leader {
            Some(leader) if leader == node => return Ok(Some((node, info))),
            Some(leader) => candidates.insert(at, leader),
            None => {}
        }
    }
    Ok(None)
}

/// How one move ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    Done,
    Nothing,
}

/// Does one move, step by step, until it is done. `tell` hears why it has to wait.
pub(crate) async fn carry_out(
    client: &Client,
    wanted: Move,
    patience: Duration,
    tell: &impl Fn(&str),
) -> Result<Moved, Failure> {
    let begin = Instant::now();
    let mut waits = String::from("nobody leads it");
    loop {
        if let Some((leader, info)) = leader_of(client, wanted.group).await? {
            match next(&info, wanted) {
                Next::Done => return Ok(Moved::Done),
                Next::Nothing => return Ok(Moved::Nothing),
                Next::Ask(change) => match step(client, wanted.group, leader, change).await? {
                    Stepped::Done => continue,
                    Stepped::Waits(why) => {
                        tell(&why);
                        waits = why;
                    }
                },
            }
        }
        if begin.elapsed() > patience {
            let sentence = format!(
                "{} is not moved yet: {waits}; repeat the command to go on",
                wanted.group
            );
            return Err(Failure::new(Exit::Partly, sentence));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

enum Stepped {
    Done,
    Waits(String),
}

async fn step(
    client: &Client,
    group: GroupId,
    leader: NodeId,
    change: MemberStep,
) -> Result<Stepped, Failure> {
    let answer = client
        .meta(leader, &MetaRequest::Change { group, change })
        .await;
    let why = match answer {
        Ok(Ok(MetaReply::Done)) => return Ok(Stepped::Done),
        Ok(Ok(MetaReply::Waits(wait))) => words(wait),
        Ok(Err(CallError::Forbidden)) => return Err(needs_secret()),
        Ok(Err(error)) => error.to_string(),
        Ok(Ok(_)) => format!("{leader} answers something else"),
        Err(error) => error.to_string(),
    };
    Ok(Stepped::Waits(why))
}

/// Why something has to wait, for people.
pub(crate) fn words(wait: Wait) -> String {
    match wait {
        Wait::Busy => "another change is under way".to_owned(),
        Wait::Behind(node) => format!("{node} is catching up"),
        Wait::NotMember(node) => format!("{node} is no member yet"),
        Wait::NoMajority => "too few of its members answer".to_owned(),
        Wait::TooMany => "it has too many members already".to_owned(),
    }
}
