//! The blocks of one extent on their way: how long the stragglers may take once the others are stored.
//!
//! **Invariant:** nobody is overtaken before as many blocks are stored as the scheme can do without the rest of, so what is slow for
//! all, such as a busy network, moves nothing and costs nothing.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// How much longer than the others a straggler may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lead {
    /// Long enough to write the block elsewhere, which costs a change of metadata and garbage.
    Move,
    /// Long enough to do without the block, which costs redundancy until it is healed, and the reading of others to
    /// do so.
    GiveUp,
}

impl Lead {
    /// What stragglers get where the others took so long.
    fn patience(self, others: Duration) -> Duration {
        let (factor, least) = match self {
            Self::Move => (3, Duration::from_millis(500)),
            Self::GiveUp => (10, Duration::from_secs(2)),
        };
        others.saturating_mul(factor).max(least)
    }
}

/// How the blocks of an extent do.
#[derive(Debug)]
pub(super) struct Field {
    began: Instant,
    /// Blocks that must be stored before the others count as stragglers.
    quorum: usize,
    /// How long they took.
    took: watch::Sender<Option<Duration>>,
}

impl Field {
    pub(super) fn new(quorum: usize) -> Self {
        Self {
            began: Instant::now(),
            quorum,
            took: watch::Sender::new(None),
        }
    }

    /// So many blocks are stored now.
    pub(super) fn stored(&self, count: usize) {
        if count == self.quorum {
            self.took.send_replace(Some(self.began.elapsed()));
        }
    }

    /// Returns when the others have such a lead over a block whose writing began then.
    pub(super) async fn overtaken(&self, began: Instant, lead: Lead) {
        let mut took = self.took.subscribe();
        let known = took.wait_for(Option::is_some).await;
        let Some(took) = known.ok().and_then(|known| *known) else {
            return std::future::pending().await; // this value is gone, and its futures with it
        };
        tokio::time::sleep_until(began + lead.patience(took)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stragglers_get_several_times_as_long_as_the_others_took() {
        let seconds = Duration::from_secs;
        assert_eq!(
            Lead::Move.patience(Duration::from_millis(1)),
            Duration::from_millis(500)
        );
        assert_eq!(Lead::Move.patience(seconds(2)), seconds(6));
        assert_eq!(Lead::GiveUp.patience(Duration::from_millis(1)), seconds(2));
        assert_eq!(Lead::GiveUp.patience(seconds(2)), seconds(20));
    }

    #[tokio::test]
    async fn nobody_is_overtaken_before_enough_are_stored() {
        let field = Field::new(2);
        let began = Instant::now();
        let mut overtaken = std::pin::pin!(field.overtaken(began, Lead::Move));
        field.stored(1);
        assert!(futures::poll!(&mut overtaken).is_pending());
        field.stored(2);
        overtaken.await;
        let known = *field.took.borrow();
        field.stored(3);
        assert_eq!(*field.took.borrow(), known, "the first ones count");
    }
}
