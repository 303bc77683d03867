//! Batching of one group's commands: what arrives while an entry is in flight becomes the next entry, and those who were just
//! answered are waited for if there are many ([`crowd`]).
//!
//! **Invariant:** a command is in at most one entry at a time, and is proposed again only after Raft has said that its
//! entry was not appended.

mod crowd;
mod queue;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eggs_machine::{Command, Entry};
use eggs_proto::NodeId;
use openraft::errors::{ClientWriteError, ForwardReason, ForwardToLeader, RaftError};
use tokio::sync::oneshot;
use tokio::time::Instant;

use self::crowd::Crowd;
use self::queue::{Answer, Queue, Waiting};
use crate::ProposeError;
use crate::types::{Proposal, Raft, TypeConfig};

/// How long to wait for a lapsed lease to come back before proposing again.
const RETRY_DELAY: Duration = Duration::from_millis(5);

/// The commands of one group on their way into the log.
pub(crate) struct Proposer {
    raft: Raft,
    queue: Queue,
}

impl Proposer {
    pub(crate) fn new(raft: Raft, waiting_max: usize) -> Arc<Self> {
        Arc::new(Self {
            raft,
            queue: Queue::new(waiting_max),
        })
    }

    /// Queues a command and waits for its reply.
    pub(crate) async fn propose(self: &Arc<Self>, command: Command, deadline: Instant) -> Answer {
        let (reply, replied) = oneshot::channel();
        let nobody_proposes = self.queue.push(Waiting {
            command,
            deadline,
            reply,
        })?;
        if nobody_proposes {
            tokio::spawn(Arc::clone(self).drain());
        }
        match tokio::time::timeout_at(deadline, replied).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(ProposeError::Stopped),
            Err(_) => Err(ProposeError::Deadline),
        }
    }

    /// Proposes batch after batch until nothing waits.
    async fn drain(self: Arc<Self>) {
        let mut crowd = Crowd::default();
        while let Some(batch) = self.queue.next_batch() {
            let (commands, began) = (batch.len(), Instant::now());
            self.write(batch).await;
            let waiting = self.queue.waiting();
            if let Some(wanted) = crowd.worth_waiting_for(commands, waiting, began.elapsed()) {
                crowd.note(self.queue.gather(wanted, crowd::PATIENCE).await);
            }
        }
    }

    async fn write(&self, mut batch: Vec<Waiting>) {
        loop {
            let commands = batch.iter().map(|w| w.command.clone()).collect();
            let entry = postcard::to_stdvec(&Entry { commands }).expect("entries always encode");
            let payload = Proposal(Bytes::from(entry));
            let error = match self.raft.client_write(payload).await {
                Ok(response) => return answer_all(batch, response.data.0),
                Err(RaftError::APIError(error)) => error,
                Err(RaftError::Fatal(_)) => return fail_all(batch, &ProposeError::Stopped),
            };
            match error {
                // It was not appended, and this replica still leads: the lease may come back.
                ClientWriteError::ForwardToLeader(forward)
                    if forward.reason == ForwardReason::LeaseExpired =>
                {
                    // An error means that the group has stopped, which the next attempt says.
                    let _ = self.raft.trigger().heartbeat().await;
                    tokio::time::sleep(RETRY_DELAY).await;
                    batch = keep_alive(batch);
                    if batch.is_empty() {
                        return;
                    }
                }
                ClientWriteError::ForwardToLeader(forward)
                | ClientWriteError::LogEntryDiscarded(forward) => {
                    return fail_all(batch, &not_leader(&forward));
                }
                ClientWriteError::ChangeMembershipError(_)
                | ClientWriteError::PreconditionFailed(_) => {
                    return fail_all(batch, &ProposeError::NotLeader { leader: None });
                }
            }
        }
    }
}

fn not_leader(forward: &ForwardToLeader<TypeConfig>) -> ProposeError {
    ProposeError::NotLeader {
        leader: forward.leader_id.and_then(NodeId::from_u64),
    }
}

fn answer_all(batch: Vec<Waiting>, replies: Vec<Vec<u8>>) {
    for (waiting, reply) in batch.into_iter().zip(replies) {
        waiting.answer(Ok(reply));
    }
}

fn fail_all(batch: Vec<Waiting>, error: &ProposeError) {
    for waiting in batch {
        waiting.answer(Err(error.clone()));
    }
}

fn keep_alive(batch: Vec<Waiting>) -> Vec<Waiting> {
    let now = Instant::now();
    let (alive, late): (Vec<_>, Vec<_>) = batch.into_iter().partition(|w| w.deadline > now);
    fail_all(late, &ProposeError::Deadline);
    alive
}
