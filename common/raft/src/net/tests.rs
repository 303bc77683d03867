//! What a replica that has just started says to those who ask for its vote.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use eggs_machine::{ApplyContext, Fault, Outcome, StateMachine, Store};
use eggs_proto::{GroupId, NodeId, ProcessRole};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, VoteRequest};

use super::wire::{self, Answer, Question};
use crate::types::{LogId, Vote};
use crate::{GroupSpec, MemoryNetwork, Node, NodeConfig, Timing};

const GROUP: GroupId = GroupId(1);

struct Nothing;

impl StateMachine for Nothing {
    fn apply(&self, _: &mut dyn Store, _: ApplyContext, _: &[u8]) -> Result<Outcome, Fault> {
        Ok(Outcome::Accepted(Vec::new()))
    }
}

fn node_id(index: u32) -> NodeId {
    NodeId::new(ProcessRole::Shard, index)
}

/// One of three nodes; the others never start.
async fn start(dir: &Path) -> Arc<Node> {
    let mut config = NodeConfig::new(node_id(0), dir, Vec::new());
    config.timing = Timing {
        heartbeat_ms: 100,
        election_ms_min: 300,
        election_ms_max: 1_500,
    };
    let spec = GroupSpec {
        group: GROUP,
        machine: Arc::new(Nothing),
        members: BTreeSet::from([0, 1, 2].map(node_id)),
    };
    let network = MemoryNetwork::default();
    let transport = network.transport(node_id(0));
    Node::start(config, vec![spec], transport).await.unwrap()
}

async fn ask(node: &Node, question: &Question) -> Answer {
    let question = question.encode();
    let body = wire::encode_questions(node.id(), [(GROUP, &question)].into_iter());
    let (body, _) = node.handle_peer(body, Bytes::new()).await;
    wire::decode_answers(&body).unwrap().pop().unwrap()
}

fn request(term: u64) -> VoteRequest<crate::types::TypeConfig> {
    let vote = Vote::new(term, node_id(1).get());
    VoteRequest::new(vote, Some(LogId::new_term_index(term - 1, 9)))
}

#[tokio::test]
async fn votes_at_once_when_pristine_and_after_a_silence_when_not() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(dir.path()).await;
    let answer = ask(&node, &Question::Vote(request(50))).await;
    assert!(matches!(answer, Answer::Vote(given) if given.vote_granted));
    node.crash().await;
    drop(node);

    let start_of_silence = tokio::time::Instant::now();
    let node = start(dir.path()).await;
    for question in [Question::Vote(request(60)), Question::PreVote(request(60))] {
        assert!(matches!(ask(&node, &question).await, Answer::Silent));
    }
    tokio::time::sleep_until(start_of_silence + std::time::Duration::from_millis(1_700)).await;
    let answer = ask(&node, &Question::Vote(request(70))).await;
    assert!(matches!(answer, Answer::Vote(given) if given.vote_granted));
    node.crash().await;
}

/// A leader of this term, which has nothing to send.
fn nothing_new(term: u64) -> Question {
    Question::Append(AppendEntriesRequest {
        vote: Vote::new_committed(term, node_id(1).get()),
        prev_log_id: None,
        entries: Vec::new(),
        leader_commit: None,
    })
}

#[tokio::test]
async fn a_replica_that_takes_something_keeps_its_state() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(dir.path()).await;
    let replica = node.group(GROUP).unwrap().replica;
    let answer = ask(&node, &nothing_new(50)).await;
    assert!(matches!(
        answer,
        Answer::Append(AppendEntriesResponse::Success)
    ));
    let question = nothing_new(60);
    let mut asked = std::pin::pin!(ask(&node, &question));
    assert!(futures::poll!(&mut asked).is_pending());
    assert!(!replica.hollow.try_set() && !replica.hollow.is_set());
    let answer = asked.await;
    assert!(matches!(
        answer,
        Answer::Append(AppendEntriesResponse::Success)
    ));
    // By now it is known that a leader was heard.
    let heard = replica.presence.following().1;
    assert!(heard.is_some_and(|(term, _)| term == 60), "{heard:?}");
    assert!(replica.hollow.try_set() && replica.hollow.is_set());
    assert!(matches!(ask(&node, &nothing_new(70)).await, Answer::Hollow));
    replica.hollow.set(false);
    let answer = ask(&node, &nothing_new(70)).await;
    assert!(matches!(
        answer,
        Answer::Append(AppendEntriesResponse::Success)
    ));
    node.crash().await;
}

#[tokio::test]
async fn a_group_that_is_not_here_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(dir.path()).await;
    let question = Question::PreVote(request(2)).encode();
    let nonsense = Bytes::from_static(b"\xff\xff");
    let here = [(GroupId(9), &question), (GROUP, &nonsense)];
    let body = wire::encode_questions(node_id(0), here.into_iter());
    let (body, _) = node.handle_peer(body, Bytes::new()).await;
    let answers = wire::decode_answers(&body).unwrap();
    assert!(matches!(
        answers[..],
        [Answer::NoSuchGroup, Answer::Malformed]
    ));
    node.crash().await;
}
