//! Log time: that of the last command of a group.

use eggs_proto::Time;

use crate::bugs::{Bug, planted};
use crate::replies::SYSTEM;
use crate::{Fault, Store, StoreRead, StoredNumber, from_bytes, to_bytes};

const LAST_TIME: &[u8] = b"last_time";

/// Log time, while an entry is applied.
///
/// **Invariant:** each command has a later time than the one before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogClock {
    stored: Time,
    now: Time,
}

impl LogClock {
    /// Begins with what the entry before has left.
    pub(crate) fn read(store: &dyn StoreRead) -> Result<Self, Fault> {
        let stored = match store.get(SYSTEM, LAST_TIME)? {
            Some(bytes) => from_bytes(&bytes)?,
            None => StoredNumber(0),
        };
        let now = Time(stored.0);
        Ok(Self { stored: now, now })
    }

    /// The time of the last command.
    pub(crate) const fn now(&self) -> Time {
        self.now
    }

    /// The time of the next command, whose leader has this one.
    pub(crate) fn advance(&mut self, leader: Time) -> Time {
        self.now = if planted(Bug::TimeRunsBackwards) {
            leader
        } else {
            leader.max(self.now.plus_ms(1))
        };
        self.now
    }

    /// Writes it, if there was a command.
    pub(crate) fn keep(&self, store: &mut dyn Store) {
        if self.now != self.stored {
            store.put(SYSTEM, LAST_TIME, &to_bytes(&StoredNumber(self.now.0)));
        }
    }
}
