//! Requests that wait for the outcome of their transaction.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use eggs_cdc::TransactionOutcome;
use eggs_proto::RequestId;
use tokio::sync::oneshot;

/// Requests that wait, by their ids; several of one id if a client asks again while it waits.
#[derive(Default)]
pub(super) struct Waiters {
    waiting: Mutex<HashMap<RequestId, Vec<oneshot::Sender<TransactionOutcome>>>>,
}

/// A place among those who wait; given up when dropped.
pub(super) struct Waiting<'a> {
    waiters: &'a Waiters,
    request: RequestId,
    outcome: oneshot::Receiver<TransactionOutcome>,
}

impl Waiters {
    /// Has to come before the transaction can end.
    pub fn join(&self, request: RequestId) -> Waiting<'_> {
        let (sender, outcome) = oneshot::channel();
        self.lock().entry(request).or_default().push(sender);
        Waiting {
            waiters: self,
            request,
            outcome,
        }
    }

    /// Tells everybody who waits for it.
    pub fn tell(&self, request: RequestId, outcome: &TransactionOutcome) {
        for sender in self.lock().remove(&request).unwrap_or_default() {
            let _ = sender.send(outcome.clone()); // whoever has gone asks again
        }
    }

    /// Lets everybody go: somebody else leads now.
    pub fn dismiss(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RequestId, Vec<oneshot::Sender<TransactionOutcome>>>> {
        // Every change of the map is one call.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting<'_> {
    /// `None` if this process leads no longer.
    pub async fn outcome(&mut self) -> Option<TransactionOutcome> {
        (&mut self.outcome).await.ok()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.outcome.close();
        let mut waiting = self.waiters.lock();
        if let Some(senders) = waiting.get_mut(&self.request) {
            senders.retain(|sender| !sender.is_closed());
            if senders.is_empty() {
                waiting.remove(&self.request);
            }
        }
    }
}
