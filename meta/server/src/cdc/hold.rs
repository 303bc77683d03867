//! A pause between transactions, for somebody who needs a moment without any: new ones wait, within their deadlines.
//!
//! Nothing depends on it being kept: a new leader knows nothing of it, and whoever asked for the pause looks afterwards
//! whether there was one.

use std::time::{Duration, Instant};

use eggs_proto::meta::HOLD_MS_MAX;
use tokio::sync::watch;

/// Until when transactions wait.
pub(super) struct Hold(watch::Sender<Option<Instant>>);

impl Default for Hold {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

/// Whether a transaction may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    Open,
    /// Not before the deadline.
    Shut,
}

impl Hold {
    /// Makes transactions wait for so long from now on; those that wait go on after zero.
    pub fn set(&self, ms: u32) {
        let hold = Duration::from_millis(ms.min(HOLD_MS_MAX).into());
        let until = (!hold.is_zero()).then(|| Instant::now() + hold);
        self.0.send_replace(until);
    }

    /// Waits until nothing is held.
    pub async fn pass(&self, deadline: Instant) -> Gate {
        let mut holds = self.0.subscribe();
        loop {
            let until = *holds.borrow_and_update();
            let Some(until) = until.filter(|until| *until > Instant::now()) else {
                return Gate::Open;
            };
            if Instant::now() >= deadline {
                return Gate::Shut;
            }
            let wake = until.min(deadline).into();
            // It cannot end: the sender is ours.
            let _ = tokio::time::timeout_at(wake, holds.changed()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_comes_waits_until_the_end_or_the_deadline() {
        let hold = Hold::default();
        let long = || Instant::now() + Duration::from_secs(10);
        assert_eq!(hold.pass(long()).await, Gate::Open);
        hold.set(20_000);
        let soon = Instant::now() + Duration::from_millis(20);
        assert_eq!(hold.pass(soon).await, Gate::Shut);
        let (released, ()) = tokio::join!(hold.pass(long()), async { hold.set(0) });
        assert_eq!(released, Gate::Open);
        let begin = Instant::now();
        hold.set(30);
        assert_eq!(hold.pass(long()).await, Gate::Open);
        assert!(begin.elapsed() >= Duration::from_millis(30));
    }
}
