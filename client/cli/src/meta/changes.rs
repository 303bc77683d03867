//! `meta transfer`, `move`, `replace` and `balance`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use eggs_client::{Client, ClientError};
use eggs_proto::meta::{MetaReply, MetaRequest};
use eggs_proto::moves::Move;
use eggs_proto::registry::RegistryRequest;
use eggs_proto::{CallError, GroupId, NodeId, NodeInfo, Refusal};
use futures::StreamExt as _;
use futures::stream;
use serde_json::json;

use super::ask::{Moved, carry_out, leader_of, look, needs_secret, words};
use super::balance::{Hosts, balance as plan_balance};
use super::spread::crowds;
use super::tally::Tally;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};

/// Groups that are moved at the same time. Each process sends at most two checkpoints at once.
const MOVED_AT_ONCE: usize = 8;
/// How long a hand-over may take.
const TRANSFER: Duration = Duration::from_secs(10);
/// How long the registry may take to hear of what has changed.
const RETIRE: Duration = Duration::from_secs(30);
/// Between looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Hands a group's leadership to another of its voters.
pub(crate) async fn transfer(
    context: &Context,
    group: GroupId,
    to: NodeId,
) -> Result<Exit, Failure> {
    let client = &context.client;
    let begin = Instant::now();
    let mut asked = None;
    let mut waits = String::from("nobody leads it");
    while begin.elapsed() < TRANSFER {
        match leader_of(client, group).await? {
            Some((leader, _)) if leader == to => {
                let took = asked.map_or(Duration::ZERO, |at: Instant| at.elapsed());
                return handed_over(context, group, (to, took));
            }
            Some((leader, _)) if asked.is_none() => {
                let request = MetaRequest::Transfer { group, to };
                let at = Instant::now();
                match client.meta(leader, &request).await {
                    Ok(Ok(MetaReply::Done)) => asked = Some(at),
                    Ok(Ok(MetaReply::Waits(wait))) => waits = words(wait),
                    Ok(Err(CallError::Forbidden)) => return Err(needs_secret()),
                    Ok(Err(error)) => waits = error.to_string(),
                    Ok(Ok(_)) | Err(_) => {}
                }
            }
            Some(_) | None => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
    if asked.is_some() {
        waits = format!("{to} did not take over");
    }
    let sentence = format!("{group} is not led by {to}: {waits}");
    Err(Failure::new(Exit::Failed, sentence))
}

fn handed_over(
    context: &Context,
    group: GroupId,
    (to, took): (NodeId, Duration),
) -> Result<Exit, Failure> {
    let mut output = Output::new();
    let ms = took.as_secs_f64() * 1000.0;
    match context.format {
        Format::Text => output.line(format!("{to} leads {group}, after {ms:.0} ms"))?,
        Format::Json => output.json(&json!({
            "group": group.to_string(), "leader": to.to_string(), "ms": ms,
        }))?,
    }
    output.finish()?;
    Ok(Exit::Fine)
}

/// Moves a group's replica from one process to another.
pub(crate) async fn move_one(
    context: &Context,
    wanted: Move,
    crowding: Crowding,
) -> Result<Exit, Failure> {
    let Move { group, from, to } = wanted;
    check_target(&context.client, from, to).await?;
    check_hosts(&context.client, &[wanted], crowding).await?;
    let moved = move_all(context, &[wanted]).await?;
    if moved == 0 {
        let sentence = format!("{group} has no replica on {from} to be moved");
        return Err(Failure::new(Exit::Failed, sentence));
    }
    said(
        context,
        &format!("{group} is on {to} instead of {from}"),
        moved,
    )
}

/// Replaces a process, whose disk may be lost, by another, in all its groups, and retires it.
pub(crate) async fn replace(
    context: &Context,
    (old, new): (NodeId, NodeId),
    crowding: Crowding,
) -> Result<Exit, Failure> {
    let client = &context.client;
    check_target(client, old, new).await?;
    let view = look(client).await?;
    let mut groups = view.groups_of(old);
    // Whoever is asked again may find that the process is out of all groups the leaders of which answered.
    let map = client.map();
    let on_map = (0u16..).zip(&map.groups);
    groups.extend(
        on_map
            .filter(|(_, g)| g.replicas.contains(&old))
            .map(|(n, _)| GroupId(n)),
    );
    let moves: Vec<Move> = groups
        .into_iter()
        .map(|group| Move {
            group,
            from: old,
            to: new,
        })
        .collect();
    check_hosts(client, &moves, crowding).await?;
    let moved = move_all(context, &moves).await?;
    retire(client, old).await?;
    let groups = if moved == 1 { "group" } else { "groups" };
    let sentence =
        format!("{new} has replaced {old} in {moved} {groups}; {old} must not be started again");
    said(context, &sentence, moved)
}

/// Moves replicas until those of each group are on distinct hosts and every process has as many as any other; says only what
/// it would do unless told to do it.
pub(crate) async fn balance(context: &Context, intent: Intent) -> Result<Exit, Failure> {
    let view = look(&context.client).await?;
    let map = context.client.map();
    let host = |info: &NodeInfo| (info.node, host_of(&info.address));
    let known: BTreeMap<NodeId, String> = map.nodes.iter().map(host).collect();
    let mut moves = Vec::new();
    let roles: BTreeSet<_> = view.nodes.keys().map(|node| node.role()).collect();
    for role in roles {
        let of_role = |node: &NodeId| node.role() == role;
        let there = view
            .nodes
            .iter()
            .filter(|(node, said)| of_role(node) && said.is_some());
        let hosts: Hosts = there
            .filter_map(|(node, _)| Some((*node, known.get(node)?.clone())))
            .collect();
        let groups: BTreeMap<GroupId, BTreeSet<NodeId>> = view
            .groups
            .iter()
            .filter(|(_, group)| group.info.voters.iter().all(of_role))
            .map(|(id, group)| (*id, group.info.voters.iter().copied().collect()))
            .collect();
        moves.extend(plan_balance(&groups, &hosts));
    }
    if intent == Intent::Tell || moves.is_empty() {
        return tell(context, &moves);
    }
    let moved = move_all(context, &moves).await?;
    said(context, &format!("{moved} replicas moved"), moved)
}

/// An address without its port.
pub(crate) fn host_of(address: &str) -> String {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.to_owned()
}

/// Whether a group may end up on fewer hosts than it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crowding {
    Refused,
    Allowed,
}

impl Crowding {
    /// As the option says.
    pub(crate) fn of(fewer_hosts: bool) -> Self {
        if fewer_hosts {
            Self::Allowed
        } else {
            Self::Refused
        }
    }
}

/// Whether to do something or only to say what would be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    Tell,
    Do,
}

fn tell(context: &Context, moves: &[Move]) -> Result<Exit, Failure> {
    let mut output = Output::new();
    match context.format {
        Format::Json => {
            let one = |m: &Move| {
                json!({
                    "group": m.group.to_string(), "from": m.from.to_string(), "to": m.to.to_string(),
                })
            };
            output.json(&json!({ "would_move": moves.iter().map(one).collect::<Vec<_>>() }))?;
        }
        Format::Text if moves.is_empty() => output.line("all is balanced")?,
        Format::Text => {
            for Move { group, from, to } in moves {
                output.line(format!("{group}: {from} -> {to}"))?;
            }
            let count = moves.len();
            output.line(format!(
                "{count} replicas would move; `eggscli meta balance --apply` moves them"
            ))?;
        }
    }
    output.finish()?;
    Ok(Exit::Fine)
}

async fn check_target(client: &Client, from: NodeId, to: NodeId) -> Result<(), Failure> {
    if from.role() != to.role() || from == to {
        let sentence =
            format!("{to} cannot take replicas of {from}: give another process of its kind");
        return Err(Failure::usage(sentence));
    }
    match client
        .meta(to, &MetaRequest::Replicas { group: None })
        .await
    {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(CallError::Forbidden)) => Err(needs_secret()),
        Ok(Err(error)) => Err(Failure::new(
            Exit::Failed,
            format!("{to} cannot take part: {error}"),
        )),
        Err(error) => Err(Failure::remote("reach", to, &error)),
    }
}

/// Refuses moves after which a host that fails takes more replicas of a group than now, unless that is wanted.
async fn check_hosts(client: &Client, moves: &[Move], crowding: Crowding) -> Result<(), Failure> {
    match crowding {
        Crowding::Allowed => return Ok(()),
        Crowding::Refused => {}
    }
    let failed = |error| Failure::remote("ask", "the registry", &error);
    let map = client.refresh_map().await.map_err(failed)?;
    let hosts: Hosts = map
        .nodes
        .iter()
        .map(|info| (info.node, host_of(&info.address)))
        .collect();
    for wanted in moves {
        let voters = map.groups.get(usize::from(wanted.group.0));
        let voters = voters.map_or(&[][..], |info| &info.replicas);
        if let Some(beside) = crowds(*wanted, voters, &hosts) {
            let Move { group, to, .. } = wanted;
            let sentence = format!(
                "{to} is on the host of {beside}, which has a replica of {group}, too: give a process on another host, or say \
                 --fewer-hosts"
            );
            return Err(Failure::new(Exit::Failed, sentence));
        }
    }
    Ok(())
}

/// Does all moves, a few at a time; how many there was something to do for.
async fn move_all(context: &Context, moves: &[Move]) -> Result<u64, Failure> {
    let client = &context.client;
    // A group may take long to copy; what has to be waited for shows meanwhile.
    let patience = context.patience;
    let tally = &Tally::new(moves.len());
    let moving = stream::iter(moves).map(|wanted| async move {
        let tell = |why: &str| tally.waits(wanted.group, why);
        let moved = carry_out(client, *wanted, patience, &tell).await;
        tally.done(wanted.group);
        moved
    });
    let ended: Vec<Result<Moved, Failure>> = moving.buffer_unordered(MOVED_AT_ONCE).collect().await;
    let mut moved = 0;
    for end in ended {
        moved += u64::from(end? == Moved::Done);
    }
    Ok(moved)
}

async fn retire(client: &Client, node: NodeId) -> Result<(), Failure> {
    let begin = Instant::now();
    loop {
        let id = client.next_request_id();
        match client.registry(RegistryRequest::Retire { id, node }).await {
            Ok(_) | Err(ClientError::Refused(Refusal::NotFound)) => return Ok(()),
            // It has not heard of every group yet.
            Err(ClientError::Refused(Refusal::NotEmpty)) if begin.elapsed() < RETIRE => {
                tokio::time::sleep(20 * PAUSE).await;
            }
            Err(ClientError::Refused(Refusal::NotEmpty)) => {
                let sentence =
                    format!("{node} still votes in a group; repeat the command to go on");
                return Err(Failure::new(Exit::Partly, sentence));
            }
            Err(error) => return Err(Failure::remote("retire", node, &error)),
        }
    }
}

fn said(context: &Context, sentence: &str, moved: u64) -> Result<Exit, Failure> {
    let mut output = Output::new();
    match context.format {
        Format::Text => output.line(sentence)?,
        Format::Json => output.json(&json!({ "moved": moved, "what": sentence }))?,
    }
    output.finish()?;
    Ok(Exit::Fine)
}
