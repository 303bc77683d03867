//! Under which name the kernel knows an inode.
//!
//! The kernel opens and truncates by inode number alone, but replacing a file needs its name. A file has exactly
//! one, and the kernel looked it up before.
//!
//! **Invariant:** an entry lives as long as the kernel remembers the inode (lookups minus forgets), so memory is
//! bounded by the kernel's own cache.

use std::collections::HashMap;

use eggs_proto::InodeId;

use crate::place::Place;

/// Names of the inodes that the kernel remembers.
#[derive(Debug, Default)]
pub struct Names {
    inodes: HashMap<InodeId, Known>,
    places: HashMap<Place, InodeId>,
}

#[derive(Debug)]
struct Known {
    place: Option<Place>,
    lookups: u64,
}

impl Names {
    /// The kernel was told that `place` stands for `inode`, and counts a reference.
    pub fn looked_up(&mut self, place: Place, inode: InodeId) {
        let known = self.inodes.entry(inode).or_insert(Known {
            place: None,
            lookups: 0,
        });
        known.lookups += 1;
        self.assign(place, inode);
    }

    /// The kernel dropped references.
    pub fn forget(&mut self, inode: InodeId, lookups: u64) {
        let Some(known) = self.inodes.get_mut(&inode) else {
            return;
        };
        known.lookups = known.lookups.saturating_sub(lookups);
        if known.lookups > 0 {
            return;
        }
        if let Some(place) = self.inodes.remove(&inode).and_then(|known| known.place)
            && self.places.get(&place) == Some(&inode)
        {
            self.places.remove(&place);
        }
    }

    /// Where an inode was last seen.
    pub fn place(&self, inode: InodeId) -> Option<&Place> {
        self.inodes.get(&inode)?.place.as_ref()
    }

    /// What was last seen at a place.
    pub fn inode(&self, place: &Place) -> Option<InodeId> {
        self.places.get(place).copied()
    }

    /// What `source` stood for is now at `target`.
    pub fn renamed(&mut self, source: &Place, target: Place) {
        let moved = self.places.remove(source);
        self.removed(&target);
        if let Some(inode) = moved {
            self.assign(target, inode);
        }
    }

    /// Both places changed what they stand for.
    pub fn exchanged(&mut self, a: &Place, b: &Place) {
        let (at_a, at_b) = (self.places.remove(a), self.places.remove(b));
        if let Some(inode) = at_a {
            self.assign(b.clone(), inode);
        }
        if let Some(inode) = at_b {
            self.assign(a.clone(), inode);
        }
    }

    /// The place stands for nothing now.
    pub fn removed(&mut self, place: &Place) {
        if let Some(inode) = self.places.remove(place)
            && let Some(known) = self.inodes.get_mut(&inode)
        {
            known.place = None;
        }
    }

    fn assign(&mut self, place: Place, inode: InodeId) {
        let Some(known) = self.inodes.get_mut(&inode) else {
            return;
        };
        if known.place.as_ref() != Some(&place)
            && let Some(old) = known.place.replace(place.clone())
            && self.places.get(&old) == Some(&inode)
        {
            self.places.remove(&old);
        }
        self.places.insert(place, inode);
    }
}

#[cfg(test)]
mod tests {
    use eggs_proto::{InodeKind, Name, ShardId};

    use super::*;

    fn place(name: &str) -> Place {
        Place {
            dir: InodeId::ROOT,
            name: Name::new(name).unwrap(),
        }
    }

    fn file(counter: u64) -> InodeId {
        InodeId::new(InodeKind::File, ShardId(0), counter)
    }

    #[test]
    fn forgetting_leaves_nothing() {
        let mut names = Names::default();
        names.looked_up(place("a"), file(1));
        names.looked_up(place("a"), file(1));
        names.forget(file(1), 1);
        assert_eq!(names.place(file(1)), Some(&place("a")));
        names.forget(file(1), 1);
        assert!(names.inodes.is_empty() && names.places.is_empty());
    }

    #[test]
    fn a_rename_moves_the_name_and_takes_that_of_the_loser() {
        let mut names = Names::default();
        names.looked_up(place("a"), file(1));
        names.looked_up(place("b"), file(2));
        names.renamed(&place("a"), place("b"));
        assert_eq!(names.place(file(1)), Some(&place("b")));
        assert_eq!(names.place(file(2)), None);
        assert_eq!(names.inode(&place("a")), None);
        names.forget(file(2), 1);
        assert_eq!(names.inode(&place("b")), Some(file(1)));
    }

    #[test]
    fn an_exchange_swaps() {
        let mut names = Names::default();
        names.looked_up(place("a"), file(1));
        names.looked_up(place("b"), file(2));
        names.exchanged(&place("a"), &place("b"));
        assert_eq!(names.place(file(1)), Some(&place("b")));
        assert_eq!(names.place(file(2)), Some(&place("a")));
    }

    #[test]
    fn a_name_given_to_another_inode_is_not_taken_back_by_forgetting_the_first() {
        let mut names = Names::default();
        names.looked_up(place("a"), file(1));
        names.looked_up(place("a"), file(2));
        names.forget(file(1), 1);
        assert_eq!(names.inode(&place("a")), Some(file(2)));
    }
}
