//! What only shows from inside: a replica that stops alone, and what is answered to pulses and pre-votes.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use eggs_machine::{ApplyContext, Command, CommandHeader, Fault, Outcome, StateMachine, Store};
use eggs_proto::{GroupId, NodeId, ProcessRole, Time};
use openraft::raft::VoteRequest;

use crate::net::{Answer, PULSE_GROUP, PulseAnswer, PulseQuestion, Question, wire};
use crate::types::{LogId, Vote};
use crate::{Group, GroupSpec, MemoryNetwork, Node, NodeConfig, Timing};

struct Nothing;

impl StateMachine for Nothing {
    fn apply(&self, _: &mut dyn Store, _: ApplyContext, _: &[u8]) -> Result<Outcome, Fault> {
        Ok(Outcome::Accepted(Vec::new()))
    }
}

fn id(index: u32) -> NodeId {
    NodeId::new(ProcessRole::Shard, index)
}

async fn start(network: &MemoryNetwork, dir: &Path) -> Vec<Arc<Node>> {
    let mut nodes = Vec::new();
    for index in 0..3 {
        let dir = dir.join(index.to_string());
        let mut config = NodeConfig::new(id(index), dir, Vec::new());
        config.timing = Timing {
            heartbeat_ms: 100,
            election_ms_min: 300,
            election_ms_max: 600,
        };
        let spec = |group| GroupSpec {
            group: GroupId(group),
            machine: Arc::new(Nothing),
            members: BTreeSet::from([0, 1, 2].map(id)),
        };
        let specs = vec![spec(0), spec(1)];
        let node = Node::start(config, specs, network.transport(id(index)))
            .await
            .unwrap();
        network.attach(&node);
        nodes.push(node);
    }
    nodes
}

async fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(done) = check() {
            return done;
        }
        assert!(Instant::now() < end, "no {what} in 20 s");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn replicas(nodes: &[Arc<Node>], group: u16) -> Vec<Group> {
    let replica = |node: &Arc<Node>| node.group(GroupId(group)).unwrap();
    nodes.iter().map(replica).collect()
}

async fn all_rest(groups: &[Group]) -> usize {
    eventually("rest", || {
        let leader = groups.iter().position(Group::is_leader)?;
        groups.iter().all(Group::is_resting).then_some(leader)
    })
    .await
}

async fn ask(node: &Node, group: GroupId, question: &Question) -> Answer {
    let question = question.encode();
    let body = wire::encode_questions(node.id(), [(group, &question)].into_iter());
    let (body, _) = node.handle_peer(body, Bytes::new()).await;
    wire::decode_answers(&body).unwrap().pop().unwrap()
}

/// The fault of one group, while its process lives and answers pulses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_stops_alone_is_replaced() {
    let (dir, network) = (tempfile::tempdir().unwrap(), MemoryNetwork::default());
    let nodes = start(&network, dir.path()).await;
    let groups = replicas(&nodes, 0);
    let stopped = all_rest(&groups).await;
    groups[stopped].replica.raft.shutdown().await.unwrap();
    eventually("another leader", || {
        let mut others = groups.iter().enumerate().filter(|(at, _)| *at != stopped);
        others.any(|(_, group)| group.is_leader()).then_some(())
    })
    .await;
    for node in nodes {
        node.crash().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pulses_dispute_what_is_not_so() {
    let (dir, network) = (tempfile::tempdir().unwrap(), MemoryNetwork::default());
    let nodes = start(&network, dir.path()).await;
    let groups = replicas(&nodes, 0);
    let leader = all_rest(&groups).await;
    let term = groups[leader].status().term;
    let rests = vec![(0, term), (0, term + 1), (77, term)];
    let pulse = Question::Pulse(PulseQuestion { rests });
    let answer = ask(&nodes[leader], PULSE_GROUP, &pulse).await;
    assert!(
        matches!(&answer, Answer::Pulse(PulseAnswer { disputed, .. }) if *disputed == [0, 77]),
        "the right claim and the wrong one are of the same group"
    );
    let rests = vec![(0, term)];
    let pulse = Question::Pulse(PulseQuestion { rests });
    let answer = ask(&nodes[leader], PULSE_GROUP, &pulse).await;
    assert!(matches!(&answer, Answer::Pulse(PulseAnswer { disputed, .. }) if disputed.is_empty()));
    let other = (leader + 1) % 3;
    let answer = ask(&nodes[other], PULSE_GROUP, &pulse).await;
    assert!(matches!(&answer, Answer::Pulse(PulseAnswer { disputed, .. }) if *disputed == [0]));
    let answer = ask(&nodes[other], GroupId(0), &pulse).await;
    assert!(matches!(answer, Answer::Malformed));
    for node in nodes {
        node.crash().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_rests_deposes_nobody() {
    let (dir, network) = (tempfile::tempdir().unwrap(), MemoryNetwork::default());
    let nodes = start(&network, dir.path()).await;
    let groups = replicas(&nodes, 0);
    let leader = all_rest(&groups).await;
    // When the lease has lapsed, consensus alone would grant this.
    let (lease, one) = (
        Duration::from_millis(groups[leader].replica.timing.election_ms_max),
        (leader + 2) % 3,
    );
    eventually("lapsed lease", || {
        let (_, heard) = groups[one].replica.presence.following();
        heard.filter(|(_, ago)| *ago > lease)
    })
    .await;
    let term = groups[leader].status().term + 1;
    let (candidate, voter) = ((leader + 1) % 3, (leader + 2) % 3);
    let vote = Vote::new(term, nodes[candidate].id().get());
    let request = VoteRequest::new(vote, Some(LogId::new_term_index(term, 1_000)));
    let asked = Question::PreVote(request);
    let answer = ask(&nodes[voter], GroupId(0), &asked).await;
    assert!(matches!(answer, Answer::Follows));
    let answer = ask(&nodes[leader], GroupId(0), &asked).await;
    assert!(matches!(answer, Answer::Follows));
    // And the leader has woken to say that it is there; it works at once.
    let command = Command {
        header: CommandHeader {
            now: Time(1),
            request: None,
        },
        body: Vec::new(),
    };
    let deadline = Instant::now() + Duration::from_secs(5);
    groups[leader].propose(command, deadline).await.unwrap();
    assert_eq!(groups[leader].status().term, term - 1);
    for node in nodes {
        node.crash().await;
    }
}
