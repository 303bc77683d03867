//! Telling those who wait for the writer how it went: on the runtime, a batch at a time.
//!
//! Whoever is told from another thread wakes the runtime with a system call of its own; a batch of the writer holds changes of
//! many groups.
//!
//! **Invariant:** outcomes are told in the order in which changes were written, each once, also when the log is closed.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::batch::Done;

/// What became of a batch.
pub(crate) type Outcome = Result<(), String>;

/// Outcomes that nobody was told yet: as many as there are changes in flight, which is bounded.
#[derive(Default)]
pub(crate) struct Outcomes {
    waiting: Mutex<Vec<(Vec<Done>, Outcome)>>,
    more: Notify,
}

impl Outcomes {
    /// Leaves the outcome of a batch to be told soon.
    pub(super) fn add(&self, done: Vec<Done>, outcome: Outcome) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push((done, outcome));
        self.more.notify_one();
    }

    /// Tells everybody who waits. Nobody else tells meanwhile, so that the order is kept.
    pub(super) fn tell(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for (done, outcome) in waiting.drain(..) {
            for one in done {
                one.tell(&outcome);
            }
        }
    }

    /// Tells everybody as outcomes come, for ever.
    pub(super) async fn run(self: Arc<Self>) {
        loop {
            self.more.notified().await;
            self.tell();
        }
    }
}
