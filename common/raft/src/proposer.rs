//! Batching of one group's commands: what arrives while an entry is in flight becomes the next entry.
//!
//! **Invariant:** a command is in at most one entry at a time, and is proposed again only after Raft has said that its
//! entry was not appended.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use eggs_machine::{Command, Entry};
use eggs_proto::{BATCH_BYTES_MAX, BATCH_COMMANDS_MAX, NodeId};
use openraft::errors::{ClientWriteError, ForwardReason, ForwardToLeader, RaftError};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::ProposeError;
use crate::types::{Proposal, Raft, TypeConfig};

/// Bytes around the body of a command in an entry, at most.
const COMMAND_OVERHEAD: usize = 64;
/// Bytes of commands that wait, at most.
const WAITING_BYTES_MAX: usize = 4 * BATCH_BYTES_MAX;
/// How long to wait for a lapsed lease to come back before proposing again.
const RETRY_DELAY: Duration = Duration::from_millis(5);

type Answer = Result<Vec<u8>, ProposeError>;

struct Waiting {
    command: Command,
    deadline: Instant,
    reply: oneshot::Sender<Answer>,
}

impl Waiting {
    fn size(&self) -> usize {
        self.command.body.len() + COMMAND_OVERHEAD
    }

    fn answer(self, answer: Answer) {
        let _ = self.reply.send(answer); // may have given up
    }
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// Whether a task is proposing.
    busy: bool,
}

/// The commands of one group on their way into the log.
pub(crate) struct Proposer {
    raft: Raft,
    waiting_max: usize,
    queue: Mutex<Queue>,
}

impl Proposer {
    pub(crate) fn new(raft: Raft, waiting_max: usize) -> Arc<Self> {
        Arc::new(Self {
            raft,
            waiting_max,
            queue: Mutex::new(Queue::default()),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a command and waits for its reply.
    pub(crate) async fn propose(self: &Arc<Self>, command: Command, deadline: Instant) -> Answer {
        let (reply, replied) = oneshot::channel();
        self.enqueue(Waiting {
            command,
            deadline,
            reply,
        })?;
        match tokio::time::timeout_at(deadline, replied).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(ProposeError::Stopped),
            Err(_) => Err(ProposeError::Deadline),
        }
    }

    fn enqueue(self: &Arc<Self>, waiting: Waiting) -> Result<(), ProposeError> {
        let size = waiting.size();
        if size > BATCH_BYTES_MAX {
            return Err(ProposeError::TooLarge);
        }
        let mut queue = self.lock();
        if queue.waiting.len() >= self.waiting_max || queue.bytes + size > WAITING_BYTES_MAX {
            return Err(ProposeError::Overloaded);
        }
        queue.bytes += size;
        queue.waiting.push_back(waiting);
        if !queue.busy {
            queue.busy = true;
            tokio::spawn(Arc::clone(self).drain());
        }
        Ok(())
    }

    /// Proposes batch after batch until nothing waits.
    async fn drain(self: Arc<Self>) {
        while let Some(batch) = self.next_batch() {
            self.write(batch).await;
        }
    }

    /// The commands of the next entry; without any, the task is over.
    fn next_batch(&self) -> Option<Vec<Waiting>> {
        let mut queue = self.lock();
        let mut batch: Vec<Waiting> = Vec::new();
        let (mut bytes, now) = (0, Instant::now());
        while let Some(next) = queue.waiting.front() {
            let size = next.size();
            if batch.len() == BATCH_COMMANDS_MAX || bytes + size > BATCH_BYTES_MAX {
                break;
            }
            let Some(next) = queue.waiting.pop_front() else {
                break;
            };
            queue.bytes -= size;
            if next.deadline <= now {
                next.answer(Err(ProposeError::Deadline));
                continue;
            }
            bytes += size;
            batch.push(next);
        }
        queue.busy = !batch.is_empty();
        queue.busy.then_some(batch)
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
