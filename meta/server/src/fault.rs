//! A fault met while serving ends the process: what its disk says can no longer be trusted.

use std::sync::{Arc, Mutex, PoisonError};

use eggs_machine::Fault;
use eggs_proto::CallError;
use tokio::sync::Notify;

/// Where the first fault is put. A clone is the same.
#[derive(Clone, Default)]
pub(crate) struct FaultBox {
    first: Arc<Mutex<Option<String>>>,
    met: Arc<Notify>,
}

impl FaultBox {
    /// Reports a fault; the caller is answered that nothing can be done for it here.
    pub fn report(&self, fault: &Fault) -> CallError {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| fault.to_string());
        self.met.notify_one();
        CallError::Unavailable("this replica has met a fault and stops".into())
    }

    /// Ends the process for another reason.
    pub fn end(&self, why: String) {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(why);
        self.met.notify_one();
    }

    /// Waits for the first fault.
    pub async fn met(&self) -> String {
        loop {
            let first = self
                .first
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            if let Some(first) = first {
                return first;
            }
            self.met.notified().await;
        }
    }
}
