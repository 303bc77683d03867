//! Faults that must end the process.
//!
//! **Invariant:** the first fault is kept; nothing is retried after it.

use tokio::sync::watch;

/// Where faults are reported and waited for.
#[derive(Clone, Debug)]
pub(crate) struct Fatal {
    first: watch::Sender<Option<String>>,
}

impl Fatal {
    pub(crate) fn new() -> Self {
        Self {
            first: watch::Sender::new(None),
        }
    }

    /// Reports a fault; only the first is kept.
    pub(crate) fn report(&self, what: impl Into<String>) {
        let what = what.into();
        tracing::error!(fault = %what, "replicas of this process must stop");
        self.first.send_if_modified(|first| {
            let fresh = first.is_none();
            if fresh {
                *first = Some(what);
            }
            fresh
        });
    }

    /// Whether a fault was reported.
    pub(crate) fn is_set(&self) -> bool {
        self.first.borrow().is_some()
    }

    /// Resolves with the first fault.
    pub(crate) async fn wait(&self) -> String {
        let mut watch = self.first.subscribe();
        let first = watch.wait_for(Option::is_some).await;
        let first = first.map(|first| first.clone().unwrap_or_default());
        match first {
            Ok(first) => first,
            Err(_) => std::future::pending().await, // cannot be: `self` holds the sender
        }
    }
}
