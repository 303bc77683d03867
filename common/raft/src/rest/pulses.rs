//! Sending pulses, and answering them.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use eggs_proto::{GroupId, NodeId};
use openraft::async_runtime::WatchReceiver;

use super::watch::{PULSE_PERIOD, Watch};
use crate::TransportError;
use crate::group::Group;
use crate::net::{Answer, PULSE_GROUP, PulseAnswer, PulseQuestion, Question, wire};
use crate::node::Shared;

/// Every so many pulses a peer is told which groups rest under it, and disputes what is not so.
const CLAIM_EVERY: u64 = 10;
/// How soon to try again after a connection has failed.
const RETRY_DELAY: Duration = Duration::from_millis(15);

/// Sends pulses to all members of our groups, until the node is gone.
pub(crate) async fn run(node: Weak<Shared>) {
    let mut round = 0;
    loop {
        let Some(node) = node.upgrade() else {
            return;
        };
        let peers: Vec<NodeId> = {
            let mut detector = node.watch.detector();
            detector.look(tokio::time::Instant::now());
            if round % CLAIM_EVERY == 0 {
                detector.watch(members(&node).into_iter());
            }
            detector.watched().collect()
        };
        for peer in peers {
            let claims = if round % CLAIM_EVERY == 0 {
                claims(&node, peer)
            } else {
                Vec::new()
            };
            let to_whom = (Arc::clone(&node.watch), Arc::downgrade(&node));
            tokio::spawn(exchange(to_whom, peer, claims));
        }
        round += 1;
        let watch = Arc::clone(&node.watch);
        drop(node);
        tokio::select! {
            () = tokio::time::sleep(PULSE_PERIOD) => {}
            () = watch.doubt.notified() => tokio::time::sleep(RETRY_DELAY).await,
        }
        watch.news.notify_one();
    }
}

fn members(node: &Shared) -> std::collections::BTreeSet<NodeId> {
    let mut all = std::collections::BTreeSet::new();
    for group in &node.groups {
        let metrics = group.replica.raft.metrics();
        let metrics = metrics.borrow_watched();
        let members = metrics.membership_config.membership();
        all.extend(members.nodes().filter_map(|(id, _)| NodeId::from_u64(*id)));
    }
    all.remove(&node.node);
    all
}

/// The groups that rest here under a peer, and in which term.
fn claims(node: &Shared, peer: NodeId) -> Vec<(u16, u64)> {
    let resting = |group: &Group| {
        let (rests_in, _) = group.replica.presence.following();
        let term = rests_in?;
        (group.leader() == Some(peer)).then_some((group.id().0, term))
    };
    node.groups.iter().filter_map(resting).collect()
}

/// One pulse and its answer. The node must be able to end meanwhile: a silent peer takes its time.
async fn exchange(
    (watch, node): (Arc<Watch>, Weak<Shared>),
    peer: NodeId,
    claims: Vec<(u16, u64)>,
) {
    let asked = watch.detector().now();
    let rests = claims.clone();
    let question = Question::Pulse(PulseQuestion { rests }).encode();
    // In a frame of its own: it must not wait for what a group takes time for.
    let body = wire::encode_questions(peer, [(PULSE_GROUP, &question)].into_iter());
    let patience = watch.timing.pulse_silence();
    let sent = watch
        .transport
        .send(peer, body, Bytes::new(), patience)
        .await;
    match sent {
        Ok((body, _)) => {
            let answer = wire::decode_answers(&body).ok().and_then(|mut a| a.pop());
            if let Some(Answer::Pulse(answer)) = answer
                && let Some(node) = node.upgrade()
            {
                take(&node, peer, asked, &claims, &answer);
            }
        }
        Err(TransportError::Unreachable(..)) => {
            let suspected = {
                let mut detector = watch.detector();
                detector.failed(peer);
                !detector.standing(peer).is_alive()
            };
            if suspected {
                watch.news.notify_one();
            } else {
                watch.doubt.notify_one();
            }
        }
        Err(TransportError::Timeout(_)) => {}
    }
}

fn take(node: &Shared, peer: NodeId, asked: Duration, claims: &[(u16, u64)], answer: &PulseAnswer) {
    node.watch
        .detector()
        .answered(peer, asked, answer.incarnation);
    for (group, term) in claims {
        if answer.disputed.contains(group)
            && let Some(group) = node.find(GroupId(*group))
        {
            tracing::debug!(group = %group.id(), %peer, "the leader does not know that the group rests");
            group.replica.presence.dispute(*term);
        }
    }
}
