//! `meta status`: how the replicas of all groups are. The exit code tells a script whether all is well.

use eggs_proto::{ClusterMap, GroupId, NodeId};
use serde_json::{Value, json};

use super::ask::look;
use super::view::{GroupView, LAG_FINE, Led, View};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};
use crate::text::table::{Align, lines};

/// Groups that are named one by one.
const NAMED_MAX: usize = 10;

pub(crate) async fn run(context: &Context, only: Option<GroupId>) -> Result<Exit, Failure> {
    let mut view = look(&context.client).await?;
    if let Some(group) = only {
        view.groups.retain(|known, _| *known == group);
    }
    let map = context.client.map();
    let mut output = Output::new();
    match (context.format, only) {
        (Format::Json, _) => output.json(&as_json(&view))?,
        (Format::Text, None) => output.lines(&as_lines(&view, &map))?,
        (Format::Text, Some(_)) => {
            let described = view
                .groups
                .iter()
                .flat_map(|(id, group)| describe(*id, group));
            output.lines(&described.collect::<Vec<_>>())?;
        }
    }
    output.finish()?;
    let well = view.groups.values().all(GroupView::is_whole) && !view.groups.is_empty();
    Ok(if well { Exit::Fine } else { Exit::Degraded })
}

/// What a process has to do with the groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Share {
    leads: usize,
    votes: usize,
    learns: usize,
    /// The most entries that one of its replicas lacks.
    lag: u64,
    /// Replicas that do not answer their leader.
    silent: usize,
}

fn share(view: &View, node: NodeId) -> Share {
    let mut share = Share::default();
    for group in view
        .groups
        .values()
        .filter(|g| g.members().any(|m| m == node))
    {
        let leads = group.led == Led::Yes && group.info.leader == Some(node);
        share.leads += usize::from(leads);
        share.votes += usize::from(group.info.voters.contains(&node));
        share.learns += usize::from(group.info.learners.contains(&node));
        match group.lag(node) {
            Some(lag) => share.lag = share.lag.max(lag),
            None => share.silent += 1,
        }
    }
    share
}

fn as_lines(view: &View, map: &ClusterMap) -> Vec<String> {
    let heading = [
        "PROCESS", "ADDRESS", "LEADS", "VOTES", "LEARNS", "LAG", "STATE",
    ];
    let mut rows = vec![heading.map(String::from).to_vec()];
    for (node, said) in &view.nodes {
        let share = share(view, *node);
        let address = map.node(*node).map_or("-", |info| info.address.as_str());
        let state = match (said, share.silent) {
            (None, _) => "does not answer".to_owned(),
            (Some(_), 0) if share.votes + share.learns == 0 => "has no replicas".to_owned(),
            (Some(_), 0) if share.lag <= LAG_FINE => "ok".to_owned(),
            (Some(_), 0) => "catching up".to_owned(),
            (Some(_), silent) => format!("{silent} replicas do not answer"),
        };
        let numbers = [share.leads, share.votes, share.learns].map(|n| n.to_string());
        let [leads, votes, learns] = numbers;
        let lag = share.lag.to_string();
        rows.push(vec![
            node.to_string(),
            address.to_owned(),
            leads,
            votes,
            learns,
            lag,
            state,
        ]);
    }
    let (left, right) = (Align::Left, Align::Right);
    let mut all = lines(&[left, left, right, right, right, right, left], &rows);
    all.push(String::new());
    let count = |of: &dyn Fn(&GroupView) -> bool| view.groups.values().filter(|g| of(g)).count();
    all.push(format!(
        "groups: {}, led: {}, with all members up to date: {}, changing: {}",
        view.groups.len(),
        count(&|g| g.led == Led::Yes),
        count(&GroupView::is_whole),
        count(&|g| g.info.changing || !g.info.learners.is_empty()),
    ));
    let troubled = view.groups.iter().filter(|(_, group)| !group.is_whole());
    for (id, group) in troubled.clone().take(NAMED_MAX) {
        all.extend(describe(*id, group).into_iter().take(1));
    }
    let more = troubled.count().saturating_sub(NAMED_MAX);
    if more > 0 {
        all.push(format!("and {more} more that are not whole"));
    }
    all
}

fn describe(id: GroupId, group: &GroupView) -> Vec<String> {
    let info = &group.info;
    let leader = match (group.led, info.leader) {
        (Led::Yes, Some(leader)) => format!("led by {leader}"),
        (Led::Yes | Led::No, _) => "without a leader that answers".to_owned(),
    };
    let members: Vec<String> = group.members().map(|node| member(group, node)).collect();
    let changing = if info.changing { ", changing" } else { "" };
    vec![
        format!(
            "{id}: term {}, {leader}{changing}; {}",
            info.term,
            members.join(", ")
        ),
        format!(
            "  log to {}, applied to {}, members as of {}",
            info.last_log, info.applied, info.version
        ),
    ]
}

fn member(group: &GroupView, node: NodeId) -> String {
    let role = if group.info.learners.contains(&node) {
        " (learns)"
    } else {
        ""
    };
    match group.lag(node) {
        Some(0) => format!("{node}{role}"),
        Some(lag) => format!("{node}{role} lacks {lag}"),
        None => format!("{node}{role} does not answer"),
    }
}

fn as_json(view: &View) -> Value {
    let node = |(node, said): (&NodeId, &Option<Vec<eggs_proto::meta::ReplicaInfo>>)| {
        let share = share(view, *node);
        json!({
            "node": node.to_string(),
            "answers": said.is_some(),
            "leads": share.leads,
            "votes": share.votes,
            "learns": share.learns,
            "lag_max": share.lag,
            "silent": share.silent,
        })
    };
    let group = |(id, group): (&GroupId, &GroupView)| {
        let members = group.members().map(|node| {
            json!({
                "node": node.to_string(),
                "votes": group.info.voters.contains(&node),
                "lag": group.lag(node),
            })
        });
        json!({
            "group": id.to_string(),
            "term": group.info.term,
            "leader": group.info.leader.filter(|_| group.led == Led::Yes).map(|n| n.to_string()),
            "last_log": group.info.last_log,
            "applied": group.info.applied,
            "members_version": group.info.version,
            "changing": group.info.changing,
            "whole": group.is_whole(),
            "members": members.collect::<Vec<_>>(),
        })
    };
    json!({
        "nodes": view.nodes.iter().map(node).collect::<Vec<_>>(),
        "groups": view.groups.iter().map(group).collect::<Vec<_>>(),
    })
}
