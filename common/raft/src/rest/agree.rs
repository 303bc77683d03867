//! Agreeing with the members of a group that it rests.

use std::sync::Arc;
use std::time::Duration;

use eggs_proto::NodeId;
use openraft::async_runtime::WatchReceiver;

use super::detector::Standing;
use super::presence::Presence;
use super::watch::Watch;
use crate::group::Group;
use crate::net::{Answer, Question, RestQuestion};
use crate::node::Shared;
use crate::types::Raft;

/// A group without anything to do for this long rests.
pub(crate) const IDLE: Duration = Duration::from_millis(1500);
/// How long a member may take to agree.
const PATIENCE: Duration = Duration::from_millis(500);

/// Whether a resting group's log has grown since: then it does not rest, whoever caused it.
pub(super) fn has_moved(group: &Group) -> bool {
    let last = {
        let metrics = group.replica.raft.data_metrics();
        let metrics = metrics.borrow_watched();
        metrics.last_log
    };
    let presence = &group.replica.presence;
    let moved = !last.is_some_and(|last| presence.rests_after(last.index()));
    if moved {
        presence.touch();
    }
    moved
}

/// Asks the members to rest if there is nothing to do.
pub(super) fn consider(node: &Shared, group: &Group) {
    let presence = &group.replica.presence;
    if presence.idle() < IDLE || node.is_stopping() {
        return;
    }
    let Some(request) = all_is_told(node, group) else {
        return;
    };
    if presence.begin_asking() {
        // Not the node: it must be able to end meanwhile.
        let presence = Arc::clone(presence);
        let asking = everybody_agrees(node, group, request);
        tokio::spawn(async move {
            if asking.await {
                presence.rest(request.last_log.index(), IDLE);
            }
            presence.done_asking();
        });
    }
}

/// What to ask, if every member that lives has everything.
fn all_is_told(node: &Shared, group: &Group) -> Option<RestQuestion> {
    let metrics = group.replica.raft.metrics();
    let metrics = metrics.borrow_watched();
    let last_log = metrics.last_applied;
    let leads = metrics.current_leader == Some(node.node.get());
    let members = &metrics.membership_config;
    let settled = members.log_id() == metrics.committed_membership_config.log_id()
        && members.membership().get_joint_config().len() == 1;
    let last_log = last_log?;
    if !leads || !settled || metrics.last_log_index != Some(last_log.index()) {
        return None;
    }
    let replication = metrics.replication.as_ref()?;
    for (id, _) in members.membership().nodes() {
        let peer = NodeId::from_u64(*id)?;
        let has_all =
            *id == node.node.get() || replication.get(id).copied().flatten() == Some(last_log);
        if !has_all && !is_suspect(&node.watch, peer) {
            return None;
        }
    }
    let vote = metrics.vote;
    Some(RestQuestion { vote, last_log })
}

fn is_suspect(watch: &Watch, peer: NodeId) -> bool {
    matches!(watch.standing(peer), Standing::Suspect { .. })
}

/// Asks every member that lives. The dead do not campaign; when one comes back, its leader wakes.
fn everybody_agrees(
    node: &Shared,
    group: &Group,
    request: RestQuestion,
) -> impl Future<Output = bool> + use<> {
    let peers: Vec<NodeId> = {
        let metrics = group.replica.raft.metrics();
        let metrics = metrics.borrow_watched();
        let members = metrics.membership_config.membership();
        let ids = members.nodes().filter_map(|(id, _)| NodeId::from_u64(*id));
        ids.filter(|id| *id != node.node && !is_suspect(&node.watch, *id))
            .collect()
    };
    let question = Question::Rest(request).encode();
    let group = group.id();
    let asking = peers.into_iter().map(|peer| {
        let link = node.networks.link(peer);
        let question = question.clone();
        async move { link.ask(group, question, PATIENCE).await }
    });
    let answers = futures::future::join_all(asking);
    async move {
        let answers = answers.await;
        answers.iter().all(|a| matches!(a, Ok(Answer::Rests)))
    }
}

/// Whether this follower agrees to rest; if so, it does.
pub(crate) fn agree(
    watch: &Watch,
    raft: &Raft,
    presence: &Presence,
    question: &RestQuestion,
) -> Answer {
    let (vote, leader) = {
        let metrics = raft.server_metrics();
        let metrics = metrics.borrow_watched();
        (metrics.vote, metrics.current_leader)
    };
    let has_all = {
        let metrics = raft.data_metrics();
        let metrics = metrics.borrow_watched();
        let all = Some(question.last_log);
        metrics.last_log == all && metrics.last_applied == all
    };
    let lives = leader
        .and_then(NodeId::from_u64)
        .is_some_and(|leader| leader != watch.node && watch.standing(leader).is_alive());
    if vote == question.vote && lives && has_all {
        presence.rest_below(vote.leader_id.term);
        Answer::Rests
    } else {
        Answer::Stays
    }
}
