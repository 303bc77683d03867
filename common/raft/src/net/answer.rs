//! Answering the questions of peers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eggs_proto::{GroupId, NodeId};
use tokio::time::Instant;

use super::checkpoint::Receiver;
use super::wire::{self, Answer, Question};
use crate::space::Board;
use crate::state::StateDb;
use crate::types::Raft;
use crate::{ReadError, Timing, read_index};

/// A question that takes longer is answered without it, for the sake of the others in its frame.
const ANSWER_PATIENCE: Duration = Duration::from_secs(3);
/// How long a leader without a lease may ask a quorum for the sake of a follower's reads: others wait for the frame.
const READ_INDEX_PATIENCE: Duration = Duration::from_millis(300);

/// Until when a replica grants no votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// It has promised nothing before this start.
    None,
    /// It may have granted a lease before this start.
    Until(Instant),
}

impl Silence {
    fn holds(self) -> bool {
        match self {
            Self::None => false,
            Self::Until(end) => Instant::now() < end,
        }
    }
}

struct Replica {
    raft: Raft,
    silence: Silence,
    receiver: Receiver,
    timing: Timing,
}

/// The replicas of this node, as peers reach them.
pub(crate) struct Answerer {
    node: NodeId,
    replicas: BTreeMap<GroupId, Replica>,
    space: Arc<Board>,
}

impl Answerer {
    pub(crate) fn new(node: NodeId, space: Arc<Board>) -> Self {
        Self {
            node,
            replicas: BTreeMap::new(),
            space,
        }
    }

    pub(crate) fn add(
        &mut self,
        group: GroupId,
        raft: Raft,
        (silence, timing): (Silence, Timing),
        state: &StateDb,
    ) {
        let replica = Replica {
            raft,
            silence,
            receiver: Receiver::new(group, state),
            timing,
        };
        self.replicas.insert(group, replica);
    }

    /// Answers a frame.
    pub(crate) async fn answer(&self, body: &[u8], payload: &[u8]) -> Bytes {
        let questions = match wire::decode_questions(self.node, body) {
            Ok(questions) => questions,
            Err(cause) => return wire::refusal(cause),
        };
        let answering = questions
            .into_iter()
            .map(|(group, question)| self.answer_one(group, question, payload));
        wire::encode_answers(&futures::future::join_all(answering).await)
    }

    async fn answer_one(&self, group: GroupId, question: &[u8], payload: &[u8]) -> Answer {
        let decoded = Question::decode(question);
        if matches!(decoded, Some(Question::Space)) {
            return Answer::Space(self.space.own().level);
        }
        let Some(replica) = self.replicas.get(&group) else {
            return Answer::NoSuchGroup;
        };
        let Some(question) = decoded else {
            return Answer::Malformed;
        };
        if let Question::Checkpoint(part) = question {
            return replica.receiver.take(&replica.raft, part, payload).await;
        }
        tokio::time::timeout(ANSWER_PATIENCE, replica.answer(question))
            .await
            .unwrap_or(Answer::Late)
    }
}

impl Replica {
    async fn answer(&self, question: Question) -> Answer {
        match question {
            Question::Append(request) => {
                let done = self.raft.append_entries(request).await;
                done.map_or(Answer::Stopped, Answer::Append)
            }
            Question::Vote(_) | Question::PreVote(_) | Question::Transfer(_)
                if self.silence.holds() =>
            {
                Answer::Silent
            }
            Question::Vote(request) => {
                let done = self.raft.vote(request).await;
                done.map_or(Answer::Stopped, Answer::Vote)
            }
            Question::PreVote(request) => {
                let done = self.raft.pre_vote(request).await;
                done.map_or(Answer::Stopped, Answer::Vote)
            }
            Question::Transfer(request) => {
                let done = self.raft.handle_transfer_leader(request).await;
                done.map_or(Answer::Stopped, Answer::Transfer)
            }
            Question::Checkpoint(_) | Question::Space => Answer::Malformed, // answered before
            Question::ReadIndex => self.read_index().await,
        }
    }

    async fn read_index(&self) -> Answer {
        match read_index::of_leader(&self.raft, self.timing, READ_INDEX_PATIENCE).await {
            Ok(index) => Answer::ReadIndex(index),
            Err(ReadError::NotLeader { leader }) => Answer::NotLeading {
                leader: leader.map(NodeId::get),
            },
            Err(ReadError::Deadline | ReadError::Overloaded) => Answer::Late,
            Err(ReadError::Stopped | ReadError::Restoring) => Answer::Stopped,
        }
    }
}
