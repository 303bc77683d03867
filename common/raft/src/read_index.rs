//! Read indexes: how a follower reads linearizably without the log.
//!
//! A follower asks the leader what it has to know at a moment when nobody else can have led, waits until it has applied as
//! much, and answers from its state. The leader answers under its lease with what it has applied, or after asking a quorum with
//! what was committed, and writes nothing. The protocol is §6.4 of Ongaro's thesis, with the index fetched by the follower.
//!
//! Reads that wait at the same time share one question. A read that comes while a question is on its way waits for the
//! next one: the leader may have looked at its log before that read began.
//!
//! **Invariant:** an index covers everything that was answered before any of the reads which use it began.
//! **Invariant:** a state that is being replaced by a checkpoint answers nobody.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eggs_machine::StoreRead;
use eggs_proto::{GroupId, NodeId};
use openraft::async_runtime::WatchReceiver;
use openraft::metrics::WaitError;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::asked::Asked;
use crate::kv::{Bug, planted};
use crate::net::{Answer, Networks, Question};
use crate::state::Reader;
use crate::{Group, ReadError};

/// Reads of one group that wait for an index; more are refused as overload.
const WAITING_MAX: usize = 4096;

/// What a replica must have applied before a read. Only good for a read that began before it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadPoint {
    index: u64,
}

type Index = Result<u64, ReadError>;

#[derive(Default)]
struct Round {
    /// Those who share the next question.
    waiting: Vec<oneshot::Sender<Index>>,
    /// Whether a task is asking.
    asking: bool,
}

/// Asks for the read indexes of one group.
pub(crate) struct ReadIndexes {
    group: GroupId,
    here: Arc<Asked>,
    networks: Arc<Networks>,
    round: Mutex<Round>,
}

impl ReadIndexes {
    pub(crate) fn new(group: GroupId, here: Arc<Asked>, networks: Arc<Networks>) -> Arc<Self> {
        Arc::new(Self {
            group,
            here,
            networks,
            round: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Round> {
        self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An index that was asked for after this call.
    async fn next(self: &Arc<Self>, deadline: Instant) -> Index {
        let (answer, answered) = oneshot::channel();
        {
            let mut round = self.lock();
            if round.waiting.len() >= WAITING_MAX {
                return Err(ReadError::Overloaded);
            }
            round.waiting.push(answer);
            if !round.asking {
                round.asking = true;
                tokio::spawn(Arc::clone(self).ask_all());
            }
        }
        match tokio::time::timeout_at(deadline, answered).await {
            Ok(Ok(index)) => index,
            Ok(Err(_)) => Err(ReadError::Stopped),
            Err(_) => Err(ReadError::Deadline),
        }
    }

    /// Asks for all who wait, again and again until nobody does.
    async fn ask_all(self: Arc<Self>) {
        loop {
            tokio::task::yield_now().await; // let everybody who is ready join
            let waiting = {
                let mut round = self.lock();
                round.waiting.retain(|answer| !answer.is_closed());
                round.asking = !round.waiting.is_empty();
                std::mem::take(&mut round.waiting)
            };
            if waiting.is_empty() {
                return;
            }
            let index = self.ask().await;
            for answer in waiting {
                let _ = answer.send(index.clone()); // may have given up
            }
        }
    }

    async fn ask(&self) -> Index {
        // A question that is lost holds up those that come after it.
        let patience = Duration::from_millis(self.here.timing.election_ms_min);
        let known = self
            .here
            .raft
            .server_metrics()
            .borrow_watched()
            .current_leader;
        let Some(leader) = known.and_then(NodeId::from_u64) else {
            return Err(ReadError::NotLeader { leader: None });
        };
        if leader == self.here.node {
            return self.here.index(patience).await;
        }
        let link = self.networks.read_link(leader);
        let question = Question::ReadIndex.encode();
        match link.ask(self.group, question, patience).await {
            Ok(Answer::ReadIndex(index)) => Ok(index),
            Ok(Answer::NotLeading { leader }) => Err(ReadError::NotLeader {
                leader: leader.and_then(NodeId::from_u64),
            }),
            Ok(Answer::Late) => Err(ReadError::Deadline),
            Ok(
                Answer::Append(_)
                | Answer::Vote(_)
                | Answer::Transfer(_)
                | Answer::CheckpointNext
                | Answer::CheckpointRestart
                | Answer::CheckpointDone(_)
                | Answer::Silent
                | Answer::NoSuchGroup
                | Answer::Stopped
                | Answer::Malformed
                | Answer::Space(_)
                | Answer::Rests
                | Answer::Stays
                | Answer::Follows
                | Answer::Pulse(_)
                | Answer::Hollow,
            )
            | Err(_) => Err(ReadError::NotLeader {
                leader: Some(leader),
            }),
        }
    }
}

impl Group {
    /// Waits until a [`Group::read_at`] is linearizable, on whatever replica this is: on a follower the leader is asked
    /// how far it has to be.
    pub async fn ready_to_read_anywhere(
        &self,
        deadline: std::time::Instant,
    ) -> Result<ReadPoint, ReadError> {
        let deadline = Instant::from_std(deadline);
        let index = if planted(Bug::ReadIndexIgnored) {
            0
        } else if self.is_leader() {
            self.certain_to_lead(deadline.into_std()).await?;
            0 // it has applied everything that was answered
        } else {
            let index = self.replica.indexes.next(deadline).await?;
            self.until_applied(index, deadline).await?;
            index
        };
        self.check_whole().map(|()| ReadPoint { index })
    }

    async fn until_applied(&self, index: u64, deadline: Instant) -> Result<(), ReadError> {
        if self.replica.asked.slot.reach() >= Some(index) {
            return Ok(());
        }
        let patience = deadline.saturating_duration_since(Instant::now());
        let applied = self.replica.raft.wait(Some(patience));
        match applied
            .applied_index_at_least(Some(index), "a read index")
            .await
        {
            Ok(_) => Ok(()),
            Err(WaitError::Timeout(..)) => Err(ReadError::Deadline),
            Err(WaitError::ShuttingDown) => Err(ReadError::Stopped),
        }
    }

    /// Reads this replica's state, of one moment. `None` if that is not as far as the point, or is just being replaced by
    /// a checkpoint: then another replica has to be asked.
    pub fn read_at<R, F>(&self, point: ReadPoint, read: F) -> Option<R>
    where
        F: FnOnce(&dyn StoreRead) -> R,
    {
        let (state, group) = (&self.replica.state, self.replica.group);
        let slot = &self.replica.asked.slot;
        if let Some(reader) = Reader::reaching(state, group, slot, point.index) {
            return Some(read(&reader));
        }
        let (view, reach) = state.whole_view(group, slot).ok()??;
        (reach >= point.index).then(|| read(&view))
    }
}
