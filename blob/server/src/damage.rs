//! What readers say is damaged on one disk, and what of it is.
//!
//! A reader names a block; the disk is looked at when it has time, and the block is remembered if it is not as it should be,
//! until it is erased, which healing ends with. Nothing is kept on the disk: who reads a damaged block says so again.
//!
//! Pure, apart from the lock: time is an argument.
//!
//! **Invariant:** only what the disk itself was found guilty of is remembered; where it belongs is the reader's word.
//!
//! **Invariant:** blocks that are remembered, found whole, and being looked at are bounded, and no block is looked at twice
//! within [`REST`], so that reports cost a disk little, whoever makes them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use eggs_proto::{BlockId, InodeId};

/// Damaged blocks of a disk that are remembered. More of them wait until these are healed.
const DAMAGED_MAX: usize = 64;
/// Places that are remembered of one block: more than one, or a reader that lies could hide the true one.
const PLACES_MAX: usize = 4;
/// Blocks being looked at, or waiting for it.
const CHECKS_MAX: usize = 16;
/// Blocks of which it is remembered that they were looked at in vain.
const RESTING_MAX: usize = 1024;
/// A block that was found whole, or that could not be looked at, is not looked at again for so long.
const REST: Duration = Duration::from_secs(60);
/// What has not been healed for so long is forgotten: perhaps nobody needs it any more.
const REMEMBERED: Duration = Duration::from_secs(600);

/// Where a block belongs, by the word of a reader: a file and the first byte of its extent.
pub(crate) type Place = (InodeId, u64);

/// What a look at a block came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// It is as it was written.
    Whole,
    /// Damaged, gone or unreadable.
    Damaged,
    /// Nobody can tell now.
    Unknown,
}

/// What is to be done about a report.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Nothing: the block is known, or was looked at not long ago.
    Known,
    /// Too much is known already.
    TooMany,
    /// Looking at the block.
    Look(Looking),
}

/// What readers say is damaged on one disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Damage(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    damaged: BTreeMap<BlockId, Known>,
    looking: BTreeMap<BlockId, Vec<Place>>,
    /// Until when not to look again.
    resting: BTreeMap<BlockId, Instant>,
}

#[derive(Debug)]
struct Known {
    since: Instant,
    places: Vec<Place>,
}

/// A block that is being looked at. Given up, it may be reported again at once.
#[derive(Debug)]
pub(crate) struct Looking {
    damage: Damage,
    block: BlockId,
}

impl Damage {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A reader says that a block is damaged.
    pub(crate) fn hear(&self, block: BlockId, place: Place, now: Instant) -> Heard {
        let mut state = self.lock();
        state.forget(now);
        if let Some(places) = state.places(block) {
            remember(places, place);
            return Heard::Known;
        }
        if state.resting.contains_key(&block) {
            return Heard::Known;
        }
        let looking = state.looking.len();
        if looking >= CHECKS_MAX || state.damaged.len() + looking >= DAMAGED_MAX {
            return Heard::TooMany;
        }
        state.looking.insert(block, vec![place]);
        drop(state);
        let damage = self.clone();
        Heard::Look(Looking { damage, block })
    }

    /// The block is gone from the disk for good.
    pub(crate) fn erased(&self, block: BlockId) {
        self.lock().damaged.remove(&block);
    }

    /// How many damaged blocks are remembered.
    pub(crate) fn len(&self) -> usize {
        self.lock().damaged.len()
    }

    /// What is damaged, with each place where it may belong.
    pub(crate) fn all(&self, now: Instant) -> Vec<(BlockId, Place)> {
        let mut state = self.lock();
        state.forget(now);
        let blocks = state.damaged.iter();
        blocks
            .flat_map(|(block, known)| known.places.iter().map(|place| (*block, *place)))
            .collect()
    }
}

impl Looking {
    pub(crate) const fn block(&self) -> BlockId {
        self.block
    }

    /// The look is over.
    pub(crate) fn found(self, finding: Finding, now: Instant) {
        let mut state = self.damage.lock();
        let places = state.looking.remove(&self.block).unwrap_or_default();
        match finding {
            Finding::Damaged => {
                let since = now;
                state.damaged.insert(self.block, Known { since, places });
            }
            Finding::Whole | Finding::Unknown => {
                if state.resting.len() < RESTING_MAX {
                    state.resting.insert(self.block, now + REST);
                }
            }
        }
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.damage.lock().looking.remove(&self.block);
    }
}

impl State {
    /// Where a block that is known, or being looked at, may belong.
    fn places(&mut self, block: BlockId) -> Option<&mut Vec<Place>> {
        let Self {
            damaged, looking, ..
        } = self;
        let known = damaged.get_mut(&block).map(|known| &mut known.places);
        known.or_else(|| looking.get_mut(&block))
    }

    fn forget(&mut self, now: Instant) {
        let fresh = |known: &Known| now.saturating_duration_since(known.since) < REMEMBERED;
        self.damaged.retain(|_, known| fresh(known));
        self.resting.retain(|_, until| *until > now);
    }
}

/// The newest places are kept.
fn remember(places: &mut Vec<Place>, place: Place) {
    if places.contains(&place) {
        return;
    }
    if places.len() >= PLACES_MAX {
        places.remove(0);
    }
    places.push(place);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(offset: u64) -> Place {
        (InodeId::ROOT, offset)
    }

    fn look(damage: &Damage, block: u64, now: Instant) -> Looking {
        match damage.hear(BlockId(block), place(0), now) {
            Heard::Look(looking) => looking,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_what_was_found_damaged_is_remembered_until_it_is_erased() {
        let (damage, now) = (Damage::default(), Instant::now());
        let (bad, good) = (look(&damage, 1, now), look(&damage, 2, now));
        assert_eq!(damage.all(now), []);
        bad.found(Finding::Damaged, now);
        good.found(Finding::Whole, now);
        assert_eq!(damage.all(now), [(BlockId(1), place(0))]);
        damage.erased(BlockId(1));
        assert_eq!((damage.all(now), damage.len()), (vec![], 0));
    }

    #[test]
    fn a_block_is_looked_at_once_however_many_report_it() {
        let (damage, now) = (Damage::default(), Instant::now());
        let hear = |block, now| damage.hear(BlockId(block), place(0), now);
        let looking = look(&damage, 1, now);
        assert!(matches!(hear(1, now), Heard::Known));
        looking.found(Finding::Whole, now);
        assert!(matches!(hear(1, now), Heard::Known));
        look(&damage, 1, now + REST).found(Finding::Damaged, now + REST);
        assert!(matches!(hear(1, now + REST * 2), Heard::Known));
        // Given up before its turn.
        drop(look(&damage, 2, now));
        drop(look(&damage, 2, now));
        // What was not healed is looked at anew.
        look(&damage, 1, now + REST + REMEMBERED).found(Finding::Whole, now);
        assert_eq!(damage.len(), 0);
    }

    #[test]
    fn a_reader_that_lies_about_the_place_does_not_hide_the_true_one() {
        let (damage, now) = (Damage::default(), Instant::now());
        let looking = look(&damage, 1, now);
        assert!(matches!(
            damage.hear(BlockId(1), place(1), now),
            Heard::Known
        ));
        looking.found(Finding::Damaged, now);
        for offset in 2..100 {
            damage.hear(BlockId(1), place(offset), now);
        }
        damage.hear(BlockId(1), place(7), now);
        let places: Vec<u64> = damage.all(now).iter().map(|(_, place)| place.1).collect();
        assert_eq!(places, [97, 98, 99, 7]);
    }

    #[test]
    fn what_is_known_is_bounded() {
        let (damage, now) = (Damage::default(), Instant::now());
        let mut looking: Vec<_> = (0..CHECKS_MAX as u64)
            .map(|block| look(&damage, block, now))
            .collect();
        let hear = |block, now| damage.hear(BlockId(block), place(0), now);
        assert!(matches!(hear(1000, now), Heard::TooMany));
        looking.clear();
        for block in 0..DAMAGED_MAX as u64 {
            look(&damage, block, now).found(Finding::Damaged, now);
        }
        assert!(matches!(hear(1000, now), Heard::TooMany));
        damage.erased(BlockId(0));
        look(&damage, 1000, now).found(Finding::Unknown, now);
        for block in 1001..1001 + 2 * RESTING_MAX as u64 {
            look(&damage, block, now).found(Finding::Whole, now);
        }
        assert!(damage.lock().resting.len() <= RESTING_MAX);
    }
}
