//! Commands of one group that wait for their entry.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eggs_machine::Command;
use eggs_proto::{BATCH_BYTES_MAX, BATCH_COMMANDS_MAX};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout};

use crate::ProposeError;

/// Bytes around the body of a command in an entry, at most.
const COMMAND_OVERHEAD: usize = 64;
/// Bytes of commands that wait, at most.
const WAITING_BYTES_MAX: usize = 4 * BATCH_BYTES_MAX;

pub(super) type Answer = Result<Vec<u8>, ProposeError>;

/// A command, and who waits for its reply.
pub(super) struct Waiting {
    pub(super) command: Command,
    pub(super) deadline: Instant,
    pub(super) reply: oneshot::Sender<Answer>,
}

impl Waiting {
    fn size(&self) -> usize {
        self.command.body.len() + COMMAND_OVERHEAD
    }

    pub(super) fn answer(self, answer: Answer) {
        let _ = self.reply.send(answer); // may have given up
    }
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// Whether a task is proposing.
    busy: bool,
    /// How many the one that proposes waits for; 0 if for none.
    wanted: usize,
}

pub(super) struct Queue {
    waiting_max: usize,
    state: Mutex<State>,
    /// As many wait as are wanted.
    gathered: Notify,
}

impl Queue {
    pub(super) fn new(waiting_max: usize) -> Self {
        Self {
            waiting_max,
            state: Mutex::default(),
            gathered: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a command. Returns whether no task is proposing; whoever gets that becomes the one.
    pub(super) fn push(&self, waiting: Waiting) -> Result<bool, ProposeError> {
        let size = waiting.size();
        if size > BATCH_BYTES_MAX {
            return Err(ProposeError::TooLarge);
        }
        let mut state = self.lock();
        if state.waiting.len() >= self.waiting_max || state.bytes + size > WAITING_BYTES_MAX {
            return Err(ProposeError::Overloaded);
        }
        state.bytes += size;
        state.waiting.push_back(waiting);
        if state.busy {
            if state.waiting.len() == state.wanted {
                self.gathered.notify_one();
            }
            return Ok(false);
        }
        state.busy = true;
        Ok(true)
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// The commands of the next entry; without any, nobody is proposing any more.
    pub(super) fn next_batch(&self) -> Option<Vec<Waiting>> {
        let mut state = self.lock();
        let mut batch: Vec<Waiting> = Vec::new();
        let (mut bytes, now) = (0, Instant::now());
        while let Some(next) = state.waiting.front() {
            let size = next.size();
            if batch.len() == BATCH_COMMANDS_MAX || bytes + size > BATCH_BYTES_MAX {
                break;
            }
            let Some(next) = state.waiting.pop_front() else {
                break;
            };
            state.bytes -= size;
            if next.deadline <= now {
                next.answer(Err(ProposeError::Deadline));
                continue;
            }
            bytes += size;
            batch.push(next);
        }
        state.busy = !batch.is_empty();
        state.busy.then_some(batch)
    }

    /// Waits until so many wait, but not for longer than that. Returns whether they do.
    pub(super) async fn gather(&self, wanted: usize, patience: Duration) -> bool {
        self.lock().wanted = wanted;
        let gathered = async {
            // It may have been said of what was wanted the last time, too late.
            while self.waiting() < wanted {
                self.gathered.notified().await;
            }
        };
        let came = timeout(patience, gathered).await.is_ok();
        self.lock().wanted = 0;
        came
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use eggs_machine::CommandHeader;
    use eggs_proto::Time;

    use super::*;

    fn push(queue: &Queue) -> bool {
        let header = CommandHeader {
            now: Time(0),
            request: None,
        };
        let command = Command {
            header,
            body: vec![1],
        };
        let (reply, _) = oneshot::channel();
        let deadline = Instant::now() + Duration::from_secs(10);
        let waiting = Waiting {
            command,
            deadline,
            reply,
        };
        queue.push(waiting).unwrap()
    }

    #[tokio::test]
    async fn gathering_ends_with_the_last_one_wanted_or_with_patience() {
        const LONG: Duration = Duration::from_secs(60);
        let queue = Arc::new(Queue::new(100));
        assert!(push(&queue), "the first one proposes");
        assert!(!push(&queue));
        assert!(queue.gather(2, LONG).await, "they are there");
        let others = Arc::clone(&queue);
        let coming = tokio::spawn(async move {
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_millis(2)).await;
                assert!(!push(&others));
            }
        });
        assert!(queue.gather(5, LONG).await);
        coming.await.unwrap();
        assert!(!queue.gather(6, Duration::from_millis(1)).await);
        assert_eq!(queue.next_batch().unwrap().len(), 5);
        assert!(queue.next_batch().is_none());
        assert!(push(&queue), "nobody proposes any more");
    }
}
