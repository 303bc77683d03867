//! The blocks of one extent on their way: how long the stragglers may take once the others are stored.
//!
//! **Invariant:** nobody is overtaken before as many blocks are stored as the scheme can do without the rest of, so what is slow for
//! all, such as a busy network, moves nothing.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Stragglers get at least this long, from their own start: writing elsewhere costs a change of metadata and garbage.
const PATIENCE_MIN: Duration = Duration::from_millis(500);
/// And this many times as long as the others took.
const PATIENCE_FACTOR: u32 = 3;

/// How the blocks of an extent do.
#[derive(Debug)]
pub(super) struct Field {
    began: Instant,
    /// Blocks that must be stored before the others count as stragglers.
    quorum: usize,
    patience: watch::Sender<Option<Duration>>,
}

impl Field {
    pub(super) fn new(quorum: usize) -> Self {
        Self {
            began: Instant::now(),
            quorum,
            patience: watch::Sender::new(None),
        }
    }

    /// So many blocks are stored now.
    pub(super) fn stored(&self, count: usize) {
        if count == self.quorum {
            let took = self.began.elapsed();
            self.patience.send_replace(Some(patience(took)));
        }
    }

    /// Returns when a block whose writing began then takes much longer than the others did.
    pub(super) async fn overtaken(&self, began: Instant) {
        let mut patience = self.patience.subscribe();
        let known = patience.wait_for(Option::is_some).await;
        let Some(patience) = known.ok().and_then(|known| *known) else {
            return std::future::pending().await; // this value is gone, and its futures with it
        };
        tokio::time::sleep_until(began + patience).await;
    }
}

/// What stragglers get where the others took so long.
fn patience(took: Duration) -> Duration {
    took.saturating_mul(PATIENCE_FACTOR).max(PATIENCE_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stragglers_get_three_times_as_long_as_the_others_took() {
        assert_eq!(patience(Duration::from_millis(1)), PATIENCE_MIN);
        assert_eq!(patience(Duration::from_secs(2)), Duration::from_secs(6));
    }

    #[tokio::test]
    async fn nobody_is_overtaken_before_enough_are_stored() {
        let field = Field::new(2);
        let began = Instant::now();
        let mut overtaken = std::pin::pin!(field.overtaken(began));
        field.stored(1);
        assert!(futures::poll!(&mut overtaken).is_pending());
        field.stored(2);
        overtaken.await;
        let known = *field.patience.borrow();
        field.stored(3);
        assert_eq!(*field.patience.borrow(), known, "the first ones count");
    }
}
