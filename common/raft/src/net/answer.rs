//! Answering the questions of peers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eggs_proto::{GroupId, NodeId};
use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver;
use openraft::raft::AppendEntriesResponse;
use tokio::time::Instant;

use super::Notices;
use super::checkpoint::Receiver;
use super::wire::{self, Answer, PULSE_GROUP, PulseAnswer, PulseQuestion, Question};
use crate::ReadError;
use crate::asked::Asked;
use crate::hollow::Hollow;
use crate::rest::{Presence, Sight, Stance, Touched, Watch, agree};
use crate::space::Board;
use crate::state::StateDb;

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
    group: GroupId,
    presence: Arc<Presence>,
    notices: Arc<Notices>,
    watch: Arc<Watch>,
    silence: Silence,
    receiver: Receiver,
    asked: Arc<Asked>,
    hollow: Hollow,
}

/// The replicas of this node, as peers reach them.
pub(crate) struct Answerer {
    watch: Arc<Watch>,
    replicas: BTreeMap<GroupId, Replica>,
    space: Arc<Board>,
}

impl Answerer {
    pub(crate) const fn new(watch: Arc<Watch>, space: Arc<Board>) -> Self {
        Self {
            watch,
            replicas: BTreeMap::new(),
            space,
        }
    }

    pub(crate) fn add(
        &mut self,
        group: GroupId,
        (asked, presence, notices): (Arc<Asked>, Arc<Presence>, Arc<Notices>),
        silence: Silence,
        hollow: Hollow,
        state: &StateDb,
    ) {
        let replica = Replica {
            group,
            presence,
            notices,
            watch: Arc::clone(&self.watch),
            silence,
            receiver: Receiver::new(group, state),
            asked,
            hollow,
        };
        self.replicas.insert(group, replica);
    }

    /// Answers a frame.
    pub(crate) async fn answer(&self, body: &[u8], payload: &[u8]) -> Bytes {
        let questions = match wire::decode_questions(self.watch.node, body) {
            Ok(questions) => questions,
            Err(cause) => return wire::refusal(cause),
        };
        let answering = questions
            .into_iter()
            .map(|(group, question)| self.answer_one(group, question, payload));
        wire::encode_answers(&futures::future::join_all(answering).await)
    }

    async fn answer_one(&self, group: GroupId, question: &[u8], payload: &[u8]) -> Answer {
        if group == PULSE_GROUP {
            return match Question::decode(question) {
                Some(Question::Pulse(question)) => self.pulse(&question),
                Some(_) | None => Answer::Malformed,
            };
        }
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
            return replica
                .receiver
                .take(&replica.asked.raft, part, payload)
                .await;
        }
        tokio::time::timeout(ANSWER_PATIENCE, replica.answer(question))
            .await
            .unwrap_or(Answer::Late)
    }

    /// Says that this process lives, and what the asker is wrong about.
    fn pulse(&self, question: &PulseQuestion) -> Answer {
        let is_right = |group: u16, term: u64| {
            let replica = self.replicas.get(&GroupId(group));
            replica.is_some_and(|replica| replica.may_rest_below(term))
        };
        let disputed = question.rests.iter();
        let disputed = disputed.filter(|(group, term)| !is_right(*group, *term));
        Answer::Pulse(PulseAnswer {
            incarnation: self.watch.incarnation,
            disputed: disputed.map(|(group, _)| *group).collect(),
        })
    }
}

impl Replica {
    async fn answer(&self, question: Question) -> Answer {
        match question {
            Question::Append(request) => {
                let Some(_taking) = self.hollow.take() else {
                    return Answer::Hollow;
                };
                let term = request.vote.leader_id.term;
                if !request.entries.is_empty() {
                    self.presence.rouse();
                }
                let done = self.asked.raft.append_entries(request).await;
                if let Ok(response) = &done
                    && !matches!(response, AppendEntriesResponse::HigherVote(_))
                {
                    self.presence.heard(term);
                }
                done.map_or(Answer::Stopped, Answer::Append)
            }
            Question::Rest(question) => {
                agree(&self.watch, &self.asked.raft, &self.presence, &question)
            }
            Question::Vote(_) | Question::PreVote(_) | Question::Transfer(_)
                if self.silence.holds() =>
            {
                Answer::Silent
            }
            Question::Vote(request) => {
                let done = self.asked.raft.vote(request).await;
                done.map_or(Answer::Stopped, Answer::Vote)
            }
            Question::PreVote(_) if self.is_content().await => Answer::Follows,
            Question::PreVote(request) => {
                let done = self.asked.raft.pre_vote(request).await;
                done.map_or(Answer::Stopped, Answer::Vote)
            }
            Question::Transfer(_) if self.hollow.is_set() => Answer::Hollow,
            Question::Transfer(request) => {
                let done = self.asked.raft.handle_transfer_leader(request).await;
                done.map_or(Answer::Stopped, Answer::Transfer)
            }
            Question::Checkpoint(_) | Question::Space => Answer::Malformed, // answered before
            Question::Pulse(_) => Answer::Malformed,                        // names no replica
            Question::ReadIndex => self.read_index().await,
        }
    }

    async fn read_index(&self) -> Answer {
        self.presence.touch(); // without a lease, a quorum is asked below
        match self.asked.index(READ_INDEX_PATIENCE).await {
            Ok(index) => {
                self.notices.want(index);
                Answer::ReadIndex(index)
            }
            Err(ReadError::NotLeader { leader }) => Answer::NotLeading {
                leader: leader.map(NodeId::get),
            },
            Err(ReadError::Deadline | ReadError::Overloaded) => Answer::Late,
            Err(ReadError::Stopped | ReadError::Restoring) => Answer::Stopped,
        }
    }

    /// Whether somebody who follows this replica in this term may rely on it without hearing of it: it leads, and its
    /// group either rests or works.
    fn may_rest_below(&self, term: u64) -> bool {
        let (leader, leads_in) = {
            let metrics = self.asked.raft.server_metrics();
            let metrics = metrics.borrow_watched();
            (metrics.current_leader, metrics.vote.leader_id.term)
        };
        let works = self
            .asked
            .raft
            .metrics()
            .borrow_watched()
            .running_state
            .is_ok();
        if leader != Some(self.watch.node.get()) || leads_in != term || !works {
            return false;
        }
        // Its heir may be dead: whoever waits for it must have an election timer.
        if self.presence.gave_away(term) {
            return false;
        }
        let silence = self.watch.timing.group_silence();
        if self.presence.rests() || self.presence.idle() < silence {
            return true;
        }
        let metrics = self.asked.raft.data_metrics();
        let acked = metrics.borrow_watched().last_quorum_acked;
        acked.is_some_and(|at| at.elapsed() < silence)
    }

    /// Whether this replica wants no other leader. One that leads a resting group makes itself heard instead.
    async fn is_content(&self) -> bool {
        let (leads, term) = {
            let metrics = self.asked.raft.server_metrics();
            let metrics = metrics.borrow_watched();
            let leads = metrics.current_leader == Some(self.watch.node.get());
            (leads, metrics.vote.leader_id.term)
        };
        if leads && self.presence.gave_away(term) {
            return false;
        }
        if leads {
            if self.presence.touch() == Touched::Woken {
                // An error means that the group has stopped.
                let _ = self.asked.raft.trigger().heartbeat().await;
            }
            // Until it can have its lease back; without a quorum it does not stand in the way for longer.
            let lately = self.watch.timing.pulse_silence();
            return self.presence.has_just_rested(lately);
        }
        let sight = Sight {
            group: self.group.0,
            raft: &self.asked.raft,
            presence: &self.presence,
        };
        let content = self.watch.stance(sight) == Stance::Content;
        if content {
            // Whoever asks may know better.
            self.watch.doubt.notify_one();
        }
        content
    }
}
