//! Objects in use, each of which is retired after a number of operations.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Random;

/// Some objects in use, and all that ever were.
pub(super) struct Rotation<T> {
    uses_max: u64,
    slots: Mutex<Vec<Arc<Used<T>>>>,
    all: Mutex<Vec<Arc<Used<T>>>>,
}

/// An object and how often it was used.
pub(super) struct Used<T> {
    pub object: T,
    uses: AtomicU64,
}

impl<T> Rotation<T> {
    /// Begins with these objects; each is due for retirement after `uses_max` operations.
    pub fn new(objects: Vec<T>, uses_max: u64) -> Self {
        let used = |object| {
            Arc::new(Used {
                object,
                uses: AtomicU64::new(0),
            })
        };
        let slots: Vec<_> = objects.into_iter().map(used).collect();
        Self {
            uses_max,
            all: Mutex::new(slots.clone()),
            slots: Mutex::new(slots),
        }
    }

    /// One of those in use. The flag says that the caller has to replace it.
    pub fn choose(&self, random: &mut Random) -> (usize, Arc<Used<T>>, bool) {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let at = random.below(slots.len());
        let chosen = slots[at].clone();
        // Exactly one use in so many, so that exactly one worker sees it; again if that one failed.
        let uses = chosen.uses.fetch_add(1, Ordering::Relaxed);
        let due = uses > 0 && uses.is_multiple_of(self.uses_max);
        (at, chosen, due)
    }

    /// Puts a new object into a slot.
    pub fn replace(&self, at: usize, object: T) {
        let used = Arc::new(Used {
            object,
            uses: AtomicU64::new(0),
        });
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots[at] = used.clone();
        drop(slots);
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(used);
    }

    /// Those in use.
    pub fn current(&self) -> Vec<Arc<Used<T>>> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.clone()
    }

    /// All that ever were.
    pub fn all(&self) -> Vec<Arc<Used<T>>> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_retired_and_remembered() {
        let mut random = Random::of(1, "rotation");
        let rotation = Rotation::new(vec![0], 3);
        let mut made = 1;
        for _ in 0..40 {
            let (at, _, due) = rotation.choose(&mut random);
            if due {
                rotation.replace(at, made);
                made += 1;
            }
        }
        assert_eq!(made, 11);
        let all: Vec<_> = rotation.all().iter().map(|used| used.object).collect();
        assert_eq!(all, (0..11).collect::<Vec<_>>());
        assert_eq!(rotation.current()[0].object, 10);
    }
}
