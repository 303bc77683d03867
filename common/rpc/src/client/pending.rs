//! Requests of one connection that wait for their answer.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::Fate;
use crate::landing::Arrived;

/// What a waiting call is told: the answer, or what became of a request without one.
pub(super) type Outcome = Result<Arrived, Fate>;

/// A call that waits.
pub(super) struct Waiter {
    pub(super) told: oneshot::Sender<Outcome>,
    /// Where the payload goes, if that is prepared.
    pub(super) parts: Option<Vec<BytesMut>>,
}

#[derive(Default)]
struct State {
    next: u64,
    waiting: HashMap<u64, Waiter>,
    /// Since when we have been waiting without hearing anything.
    silent_since: Option<Instant>,
}

#[derive(Default)]
pub(super) struct Pending(Mutex<State>);

impl Pending {
    /// Registers a request.
    pub(super) fn add(
        &self,
        parts: Option<Vec<BytesMut>>,
        now: Instant,
    ) -> (u64, oneshot::Receiver<Outcome>) {
        let (told, receiver) = oneshot::channel();
        let mut state = self.lock();
        let request = state.next;
        state.next += 1;
        state.waiting.insert(request, Waiter { told, parts });
        state.silent_since.get_or_insert(now);
        (request, receiver)
    }

    /// Nobody waits for this request any more.
    pub(super) fn forget(&self, request: u64) {
        let forgotten = self.lock().waiting.remove(&request);
        drop(forgotten); // its memory outside of the lock
    }

    /// Takes whoever waits for the answer that has begun to arrive.
    pub(super) fn answered(&self, request: u64, now: Instant) -> Option<Waiter> {
        let mut state = self.lock();
        let waiter = state.waiting.remove(&request);
        state.silent_since = (!state.waiting.is_empty()).then_some(now);
        waiter
    }

    /// The connection is gone; `unsent` never left.
    pub(super) fn fail_all(&self, unsent: &[u64]) {
        let waiting = std::mem::take(&mut self.lock().waiting);
        for (request, waiter) in waiting {
            let fate = if unsent.contains(&request) {
                Fate::NotExecuted
            } else {
                Fate::Unknown
            };
            // Whoever gave up waiting does not need to know.
            let _ = waiter.told.send(Err(fate));
        }
    }

    /// Whether requests were sent and nothing was heard for this long.
    pub(super) fn silent_for(&self, limit: Duration) -> bool {
        self.lock()
            .silent_since
            .is_some_and(|since| since.elapsed() >= limit)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// Changes with every request.
    pub(super) fn activity(&self) -> u64 {
        self.lock().next
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave the state half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
