//! The latest reply to each client, as far as it is known, so that most requests need not be looked for among the replies.
//!
//! Every request is looked for before it is applied, and hardly any is found: it is made once. Clients count their requests, so one with
//! a number above all that a client was answered is certainly new. Retries, and requests that overtake each other, are looked for as before.
//!
//! **Invariant:** what is known of a client is no less than the greatest number that the store has a reply to under the same generation. Only entries add replies,
//! and tell; what removes some changes nothing; after anything else all is forgotten.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use eggs_machine::{Changes, Fault, REPLIES, Scan, ScanDirection, StoreRead};

/// Clients that are known for a group, at most; a process has hundreds of groups.
const CLIENTS_MAX: usize = 64;
/// Generation and client.
const PREFIX_BYTES: usize = 16;
const SEQUENCE_BYTES: usize = 8;

type Prefix = [u8; PREFIX_BYTES];
type Sequence = [u8; SEQUENCE_BYTES];

#[derive(Clone, Copy, Debug)]
enum Known {
    /// Asked for once: most of those that ask once never come back, and finding out costs more than looking.
    Seen,
    /// No reply to a greater number; `None` if there is no reply at all.
    UpTo(Option<Sequence>),
}

/// What is known of the clients of one group.
#[derive(Debug, Default)]
pub(super) struct Latest(BTreeMap<Prefix, Known>);

/// What is known of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// There is no reply to it.
    New,
    /// There may be one.
    Unknown,
    /// As that; and it is worth to find out about its client.
    Ask,
}

/// A key of this form; others are of replies from before there were generations.
fn parts(key: &[u8]) -> Option<(Prefix, Sequence)> {
    let (prefix, sequence) = key.split_first_chunk()?;
    Some((*prefix, sequence.try_into().ok()?))
}

impl Latest {
    pub(super) fn look(&mut self, key: &[u8]) -> Standing {
        let Some((prefix, sequence)) = parts(key) else {
            return Standing::Unknown;
        };
        match self.0.get(&prefix) {
            Some(Known::UpTo(latest)) if latest.is_none_or(|latest| sequence > latest) => {
                Standing::New
            }
            Some(Known::UpTo(_)) => Standing::Unknown,
            Some(Known::Seen) => Standing::Ask,
            None => {
                self.know(prefix, Known::Seen);
                Standing::Unknown
            }
        }
    }

    fn know(&mut self, prefix: Prefix, known: Known) {
        if self.0.len() >= CLIENTS_MAX {
            self.0.clear();
        }
        self.0.insert(prefix, known);
    }

    /// An entry has changed the store.
    pub(super) fn update(&mut self, changes: &Changes) {
        for (table, key, value) in changes.iter() {
            if table == REPLIES && value.is_some() {
                self.note(key);
            }
        }
    }

    /// A reply is in the store from now on.
    fn note(&mut self, key: &[u8]) {
        let Some((prefix, sequence)) = parts(key) else {
            return;
        };
        if let Some(Known::UpTo(latest)) = self.0.get_mut(&prefix) {
            *latest = (*latest).max(Some(sequence));
        }
    }

    /// What [`find`] has found, if no entry was applied meanwhile.
    pub(super) fn learn(&mut self, found: Found) {
        self.know(found.prefix, Known::UpTo(found.latest));
    }

    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

/// The latest reply to a client.
pub(super) struct Found {
    prefix: Prefix,
    latest: Option<Sequence>,
}

/// Looks for the latest reply to the client of a request; `None` if the key is of another form.
pub(super) fn find(store: &dyn StoreRead, key: &[u8]) -> Result<Option<Found>, Fault> {
    let Some((prefix, _)) = parts(key) else {
        return Ok(None);
    };
    let next = u128::from_be_bytes(prefix).checked_add(1);
    let next = next.map(u128::to_be_bytes);
    let mut latest = None;
    let scan = Scan {
        table: REPLIES,
        from: &prefix,
        until: next.as_ref().map(<[u8; PREFIX_BYTES]>::as_slice),
        direction: ScanDirection::Backward,
    };
    store.scan(scan, &mut |key, _| {
        // One of the former form comes before all others.
        latest = parts(key).map(|(_, sequence)| sequence);
        ControlFlow::Break(())
    })?;
    Ok(Some(Found { prefix, latest }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use eggs_machine::{MemoryStore, Table, Visit};
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::super::applying::Applying;
    use super::super::recent::Slot;
    use super::*;
    use crate::types::LogId;

    /// Counts how often it is asked for a row.
    struct Counted<'a>(&'a MemoryStore, &'a AtomicUsize);

    impl StoreRead for Counted<'_> {
        fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.get(table, key)
        }

        fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), Fault> {
            self.0.scan(scan, visit)
        }
    }

    /// Few clients with close numbers, so that they meet.
    fn key(random: &mut StdRng, newest: u64) -> Vec<u8> {
        if random.random_ratio(1, 20) {
            // As before there were generations; numbers of clients may look like any generation.
            return [random.random_range(0..3u64), random.random_range(0..20)]
                .map(u64::to_be_bytes)
                .concat();
        }
        let generation = random.random_range(newest.saturating_sub(1)..=newest);
        let client = match random.random_ratio(1, 10) {
            true => random.random_range(0..200), // more of them than are known
            false => random.random_range(0..3),
        };
        let client = [0, u64::MAX]
            .get(client as usize)
            .copied()
            .unwrap_or(client);
        [generation, client, random.random_range(0..40u64)]
            .map(u64::to_be_bytes)
            .concat()
    }

    #[test]
    fn what_is_taken_for_new_has_no_reply() {
        let (mut taken, mut spared) = (0u32, 0u32);
        for seed in 0..200 {
            let mut random = StdRng::seed_from_u64(seed);
            let (slot, mut store) = (Slot::default(), MemoryStore::default());
            let mut newest = 0;
            for _ in 0..400 {
                let key = key(&mut random, newest);
                let asked = AtomicUsize::new(0);
                let counted = Counted(&store, &asked);
                let found = Applying::new(&counted, &slot).get(REPLIES, &key).unwrap();
                let expected = store.get(REPLIES, &key).unwrap();
                assert_eq!(found, expected, "seed {seed}, {key:?}");
                if found.is_none() {
                    taken += 1;
                    spared += u32::from(asked.into_inner() == 0);
                }
                let mut changes = Changes::default();
                match random.random_range(0..100) {
                    0 => {
                        newest += 1;
                        let until = (newest - 1).to_be_bytes();
                        changes.drop_span(REPLIES, &[], Some(&until));
                    }
                    1 => {
                        // What orders and checkpoints do.
                        for _ in 0..20 {
                            let key = self::key(&mut random, newest);
                            changes.set(REPLIES, &key, Some(b"reply"));
                        }
                        store.commit(&changes);
                        slot.lock().forget();
                        continue;
                    }
                    2..40 => changes.set(REPLIES, &key, Some(b"reply")),
                    40..50 => changes.set(REPLIES, &key, None),
                    _ => {}
                }
                store.commit(&changes);
                slot.add(changes, LogId::new_term_index(1, 1));
            }
        }
        assert!(
            spared * 10 > taken,
            "{spared} of {taken} were not looked for"
        );
    }

    #[test]
    fn clients_that_are_known_are_bounded() {
        let mut latest = Latest::default();
        let keys = (0..10 * CLIENTS_MAX as u64)
            .map(|client| [1, client, 7].map(u64::to_be_bytes).concat());
        let standings: BTreeSet<bool> = keys
            .map(|key| {
                let first = latest.look(&key);
                let second = latest.look(&key);
                assert!(latest.0.len() <= CLIENTS_MAX);
                (first, second) == (Standing::Unknown, Standing::Ask)
            })
            .collect();
        assert_eq!(standings, [true].into());
    }
}
