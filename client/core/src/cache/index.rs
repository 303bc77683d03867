//! Which slot holds what, and which is given up for something new.
//!
//! The hand of a clock goes over the slots: one that was read since it came by last is spared once. What is read for the first time
//! is not spared, so that one long sequential read does not push out what is used again and again.
//!
//! Pure.

use std::collections::HashMap;

use super::format::ChunkName;

/// What is known of a slot.
#[derive(Clone, Copy, Debug)]
struct Entry {
    name: ChunkName,
    /// Pages that are there, one bit each.
    present: u16,
    /// It was read since the hand came by.
    used: bool,
}

/// A slot for a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub slot: u32,
    /// Pages of the chunk that are there already.
    pub present: u16,
    /// Something else had to go.
    pub evicted: bool,
}

/// Which slot holds what.
#[derive(Debug)]
pub(super) struct Index {
    slots: Vec<Option<Entry>>,
    by_name: HashMap<ChunkName, u32>,
    hand: u32,
}

impl Index {
    /// So many slots, all empty.
    pub fn new(slots: u32) -> Self {
        Self {
            slots: vec![None; slots as usize],
            by_name: HashMap::new(),
            hand: 0,
        }
    }

    /// Slots in use.
    pub fn used(&self) -> usize {
        self.by_name.len()
    }

    /// The slot of a chunk if all of these pages are there; it counts as read.
    pub fn find(&mut self, name: &ChunkName, pages: u16) -> Option<u32> {
        let slot = *self.by_name.get(name)?;
        let entry = self.entry(slot)?;
        if entry.present & pages != pages {
            return None;
        }
        entry.used = true;
        Some(slot)
    }

    /// The slot of a chunk, or another one for it. `None` without any slots.
    pub fn place(&mut self, name: &ChunkName) -> Option<Placed> {
        if let Some(slot) = self.by_name.get(name).copied() {
            let present = self.entry(slot)?.present;
            return Some(Placed {
                slot,
                present,
                evicted: false,
            });
        }
        let slot = self.turn()?;
        let given_up = self.set(slot, None);
        self.set(slot, Some((*name, 0)));
        Some(Placed {
            slot,
            present: 0,
            evicted: given_up,
        })
    }

    /// A slot holds these pages of a chunk from now on, or nothing. Says whether it held something else.
    pub fn set(&mut self, slot: u32, what: Option<(ChunkName, u16)>) -> bool {
        let Some(place) = self.slots.get_mut(slot as usize) else {
            return false;
        };
        let known = place.take();
        if let Some(known) = known {
            self.by_name.remove(&known.name);
        }
        let Some((name, present)) = what else {
            return known.is_some();
        };
        let used = known.is_some_and(|known| known.used && known.name == name);
        *place = Some(Entry {
            name,
            present,
            used,
        });
        // Of two slots for one chunk, as only damage leaves them, the later one counts.
        if let Some(twin) = self.by_name.insert(name, slot)
            && let Some(place) = self.slots.get_mut(twin as usize)
        {
            *place = None;
        }
        known.is_some_and(|known| known.name != name)
    }

    /// A slot turned out not to hold what it should, unless it has something else by now.
    pub fn forget(&mut self, slot: u32, name: &ChunkName) {
        if self.by_name.get(name) == Some(&slot) {
            self.set(slot, None);
        }
    }

    fn entry(&mut self, slot: u32) -> Option<&mut Entry> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// The next slot that is empty or not spared: within two rounds there is one.
    fn turn(&mut self) -> Option<u32> {
        let count = u32::try_from(self.slots.len()).ok()?;
        for _ in 0..=2 * u64::from(count) {
            let slot = self.hand;
            self.hand = if slot + 1 < count { slot + 1 } else { 0 };
            match self.slots.get_mut(slot as usize)? {
                Some(entry) if entry.used => entry.used = false,
                Some(_) | None => return Some(slot),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: u32) -> ChunkName {
        ChunkName {
            key: u128::from(number),
            chunk: number,
        }
    }

    /// Puts a whole chunk in.
    fn put(index: &mut Index, number: u32) -> Placed {
        let placed = index.place(&name(number)).unwrap();
        index.set(placed.slot, Some((name(number), u16::MAX)));
        placed
    }

    #[test]
    fn what_was_put_in_is_found_and_only_its_pages() {
        let mut index = Index::new(4);
        assert_eq!(index.find(&name(1), 1), None);
        let placed = index.place(&name(1)).unwrap();
        assert_eq!(index.find(&name(1), 1), None, "not before it is written");
        index.set(placed.slot, Some((name(1), 0b0110)));
        assert_eq!(index.find(&name(1), 0b0100), Some(placed.slot));
        assert_eq!(index.find(&name(1), 0b0101), None);
        assert_eq!(index.place(&name(1)).unwrap().present, 0b0110);
        index.forget(placed.slot, &name(2));
        assert!(index.find(&name(1), 2).is_some());
        index.forget(placed.slot, &name(1));
        assert_eq!((index.find(&name(1), 2), index.used()), (None, 0));
    }

    #[test]
    fn what_is_read_again_outlives_a_long_sequential_read() {
        let mut index = Index::new(8);
        for number in 0..4 {
            put(&mut index, number);
        }
        for number in 100..200 {
            let evicted = put(&mut index, number).evicted;
            assert_eq!(evicted, number >= 104);
            for often in 0..4 {
                assert!(index.find(&name(often), 1).is_some(), "{often} at {number}");
            }
            assert!(index.used() <= 8);
        }
        // What is not read any more goes.
        for number in 200..220 {
            put(&mut index, number);
        }
        assert!((0..4).all(|old| index.find(&name(old), 1).is_none()));
    }

    #[test]
    fn of_two_slots_with_one_name_one_counts() {
        let mut index = Index::new(4);
        index.set(0, Some((name(1), 1)));
        index.set(2, Some((name(1), 3)));
        assert_eq!(index.find(&name(1), 3), Some(2));
        assert_eq!(index.used(), 1);
        index.set(2, None);
        assert_eq!(index.find(&name(1), 1), None);
        assert_eq!(Index::new(0).place(&name(1)), None);
        assert!(!index.set(9, None), "there is no such slot");
    }
}
