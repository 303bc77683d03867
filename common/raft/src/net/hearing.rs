//! Whether a peer that we reach reaches us.
//!
//! A leader that can send but not hear would be followed for ever: its heartbeats keep the others from electing somebody
//! who can work. So a leader that has heard nothing from a peer for too long falls silent towards it, long enough that
//! the peer takes it for dead and campaigns, and then tries again, because all may be well by then. Towards a peer that
//! is really dead this costs nothing; only frames that left and got no answer count, not connections that failed.
//!
//! **Invariant:** after any answer of a peer nothing is held back from it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::Timing;

/// What is known of one peer.
#[derive(Debug)]
pub(crate) struct Hearing {
    /// Silence of the peer after which we are silent too.
    patience: Duration,
    /// For how long we are.
    silence: Duration,
    /// When the first question left that got no answer, and none since.
    unanswered: Mutex<Option<Instant>>,
}

impl Hearing {
    pub(crate) const fn new(timing: Timing) -> Self {
        let lease = Duration::from_millis(timing.election_ms_max);
        Self {
            // The lease has lapsed long before: such a leader serves nobody.
            patience: lease.saturating_mul(2),
            // A lease and an election time-out, and room for the vote.
            silence: lease.saturating_mul(3),
            unanswered: Mutex::new(None),
        }
    }

    fn unanswered(&self) -> MutexGuard<'_, Option<Instant>> {
        self.unanswered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The peer has answered something.
    pub(crate) fn heard(&self) {
        *self.unanswered() = None;
    }

    /// A question that left at this time got no answer.
    pub(crate) fn missed(&self, asked: Instant) {
        self.unanswered().get_or_insert(asked);
    }

    /// Whether to send what would keep the peer from campaigning.
    pub(crate) fn may_lead(&self, now: Instant) -> bool {
        let mut unanswered = self.unanswered();
        let Some(since) = *unanswered else {
            return true;
        };
        let silent = now.saturating_duration_since(since);
        if silent >= self.patience + self.silence {
            *unanswered = None;
            return true;
        }
        silent < self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_answered_with_silence_for_a_while() {
        let hearing = Hearing::new(Timing {
            heartbeat_ms: 10,
            election_ms_min: 50,
            election_ms_max: 100,
        });
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        assert!(hearing.may_lead(at(0)));
        hearing.missed(at(0));
        hearing.missed(at(150));
        assert!(hearing.may_lead(at(199)));
        assert!(!hearing.may_lead(at(200)));
        assert!(!hearing.may_lead(at(499)));
        assert!(hearing.may_lead(at(500)), "all may be well again");
        hearing.missed(at(500));
        assert!(hearing.may_lead(at(699)));
        assert!(!hearing.may_lead(at(700)));
        hearing.heard();
        assert!(hearing.may_lead(at(701)));
    }
}
