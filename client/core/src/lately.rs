//! What has happened lately to whom: each for a while, and of not too many.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// More than this many are not remembered: something else is wrong then.
const REMEMBERED_MAX: usize = 4096;

type Remembered<K, V> = HashMap<K, (Instant, V)>;

#[derive(Debug)]
pub(crate) struct Lately<K, V>(Mutex<Remembered<K, V>>);

impl<K, V> Default for Lately<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Copy, V: Copy> Lately<K, V> {
    fn lock(&self) -> MutexGuard<'_, Remembered<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers something of `who`, in place of what was, for so long.
    pub(crate) fn note(&self, who: K, what: V, how_long: Duration) {
        let mut all = self.lock();
        let now = Instant::now();
        if all.len() >= REMEMBERED_MAX {
            all.retain(|_, (until, _)| *until > now);
        }
        if all.len() < REMEMBERED_MAX {
            all.insert(who, (now + how_long, what));
        }
    }

    /// What is remembered of `who`.
    pub(crate) fn of(&self, who: K) -> Option<V> {
        let all = self.lock();
        let (until, what) = all.get(&who)?;
        (*until > Instant::now()).then_some(*what)
    }
}
