//! Rows of a group that are read again and again: counters, the directory that is just being filled, what many stat and look up.
//!
//! A look into the store's tables costs some microseconds, the more the more files they are in, also if all of them are in its cache. Here a row that was
//! read twice is kept, for those who apply and for those who read.
//!
//! Replies are not kept: each is looked for once. Of them it is known which cannot be there ([`super::latest`]).
//!
//! **Invariant:** what is kept is what the store has together with what is pending. Only entries, orders and checkpoints change
//! a group's rows: entries change what is kept, the others empty it, each under the lock that readers take ([`super::recent`]).

use std::collections::BTreeMap;

use eggs_machine::{Changes, REPLIES, Row, Table};
use xxhash_rust::xxh64::xxh64;

/// Rows that are kept for a group, at most; a process has hundreds of groups.
const ROWS_MAX: usize = 128;
/// Larger values are not kept.
const VALUE_BYTES_MAX: usize = 512;
/// Rows that were read once and are remembered, at most.
const READ_ONCE_MAX: usize = 64;

/// What is kept of one row.
struct Kept {
    /// `None` if there is no such row.
    value: Option<Vec<u8>>,
    /// Whether it was read since it was last considered for being dropped.
    used: bool,
}

/// The rows of one group.
pub(super) struct Rows {
    kept: BTreeMap<Row, Kept>,
    /// Hashes of rows that were read once, each in the place that follows from it; 0 for none. Most of what is read is never read again, and
    /// not worth being kept.
    read_once: [u32; READ_ONCE_MAX],
}

impl Default for Rows {
    fn default() -> Self {
        Self {
            kept: BTreeMap::new(),
            read_once: [0; READ_ONCE_MAX],
        }
    }
}

impl Rows {
    /// An entry has changed the group.
    pub(super) fn update(&mut self, changes: &Changes) {
        if changes.spans().next().is_some() {
            self.forget();
        }
        if self.kept.is_empty() {
            return;
        }
        for (table, key, value) in changes.iter() {
            if table == REPLIES {
                continue;
            }
            let row = Row::new(table, key);
            match (self.kept.get_mut(&row), value) {
                (None, _) => {}
                (Some(_), Some(value)) if value.len() > VALUE_BYTES_MAX => {
                    self.kept.remove(&row);
                }
                (Some(kept), _) => kept.value = value.map(<[u8]>::to_vec),
            }
        }
    }

    /// Something else has.
    pub(super) fn forget(&mut self) {
        self.kept.clear();
    }

    /// What is kept of a row: its value, or that there is none.
    pub(super) fn get(&mut self, table: Table, key: &[u8]) -> Option<Option<Vec<u8>>> {
        if table == REPLIES {
            return None;
        }
        let kept = self.kept.get_mut(&Row::new(table, key))?;
        kept.used = true;
        Some(kept.value.clone())
    }

    /// A row as it is now, which was not kept: it will be if it was read not long ago.
    pub(super) fn offer(&mut self, table: Table, key: &[u8], value: Option<&[u8]>) {
        if table == REPLIES || value.is_some_and(|value| value.len() > VALUE_BYTES_MAX) {
            return;
        }
        if self.is_read_once(table, key) {
            self.keep(Row::new(table, key), value);
        }
    }

    /// Whether it was read before; from now on it was.
    fn is_read_once(&mut self, table: Table, key: &[u8]) -> bool {
        let hash = xxh64(key, u64::from(table.0));
        let (place, mark) = (hash as usize % READ_ONCE_MAX, (hash >> 32) as u32 | 1);
        match self.read_once.get_mut(place) {
            Some(known) => std::mem::replace(known, mark) == mark,
            None => false, // there are so many places
        }
    }

    fn keep(&mut self, row: Row, value: Option<&[u8]>) {
        if self.kept.len() >= ROWS_MAX {
            // Those that were not read since the last time go, the others have another round.
            self.kept.retain(|_, kept| std::mem::take(&mut kept.used));
        }
        if self.kept.len() >= ROWS_MAX {
            self.kept.clear();
        }
        let value = value.map(<[u8]>::to_vec);
        self.kept.insert(row, Kept { value, used: false });
    }
}

#[cfg(test)]
mod tests {
    use eggs_machine::{MemoryStore, StoreRead};

    use super::*;

    const TABLE: Table = Table(16);

    /// A key of one byte and what it gets.
    type Step<'a> = (u8, Option<&'a [u8]>);

    fn changes(rows: &[Step<'_>]) -> Changes {
        let mut changes = Changes::default();
        for (key, value) in rows {
            changes.set(TABLE, &[*key], *value);
        }
        changes
    }

    /// Reads as everybody does. Says what was found and whether it was kept.
    fn read(rows: &mut Rows, store: &MemoryStore, key: &[u8]) -> (Option<Vec<u8>>, bool) {
        if let Some(kept) = rows.get(TABLE, key) {
            return (kept, true);
        }
        let value = store.get(TABLE, key).unwrap();
        rows.offer(TABLE, key, value.as_deref());
        (value, false)
    }

    #[test]
    fn what_is_kept_follows_what_is_written() {
        let (mut rows, mut store) = (Rows::default(), MemoryStore::default());
        let large = vec![9; VALUE_BYTES_MAX + 1];
        let steps: [&[Step<'_>]; 5] = [
            &[(1, Some(b"one")), (2, Some(b"two"))],
            &[(1, None), (3, Some(b"three"))],
            &[(1, Some(b"again")), (2, Some(&large))],
            &[(2, Some(b"small"))],
            &[(3, None), (3, Some(b"last"))],
        ];
        let mut kept = 0;
        for step in steps {
            let written = changes(step);
            store.commit(&written);
            rows.update(&written);
            for key in 0..5 {
                let (seen, was_kept) = read(&mut rows, &store, &[key]);
                assert_eq!(seen, store.get(TABLE, &[key]).unwrap(), "{key}");
                kept += u32::from(was_kept);
            }
        }
        // Of each five reads, two are needed before it is kept; the second more when it was large and when it was small again.
        assert_eq!(kept, 5 * (5 - 2) - 2);
        rows.forget();
        assert_eq!(
            read(&mut rows, &store, &[1]),
            (Some(b"again".into()), false)
        );
    }

    #[test]
    fn what_is_dropped_is_not_kept() {
        let (mut rows, mut store) = (Rows::default(), MemoryStore::default());
        store.commit(&changes(&[(1, Some(b"one")), (2, Some(b"two"))]));
        let mut dropped = changes(&[]);
        dropped.drop_span(TABLE, &[2], None);
        for change in [changes(&[]), dropped] {
            store.commit(&change);
            rows.update(&change);
            for _ in 0..3 {
                for key in 1..3 {
                    let (seen, _) = read(&mut rows, &store, &[key]);
                    assert_eq!(seen, store.get(TABLE, &[key]).unwrap(), "{key}");
                }
            }
        }
    }

    #[test]
    fn what_is_used_outlives_what_is_read_now_and_then_and_all_is_bounded() {
        let (mut rows, store) = (Rows::default(), MemoryStore::default());
        for at in 0..10 * ROWS_MAX {
            read(&mut rows, &store, &at.to_be_bytes());
        }
        assert_eq!(rows.kept.len(), 0, "all were read once");
        let mut often = 0;
        for at in 0..10 * ROWS_MAX {
            often += usize::from(read(&mut rows, &store, b"often").1);
            for _ in 0..2 {
                read(&mut rows, &store, &at.to_be_bytes());
            }
            assert!(rows.kept.len() <= ROWS_MAX);
        }
        assert!(often >= 10 * ROWS_MAX - 4, "{often}");
        // Also when all of them are used.
        rows.forget();
        for at in 0..=ROWS_MAX {
            for _ in 0..3 {
                read(&mut rows, &store, &at.to_be_bytes());
            }
            assert!(rows.kept.len() <= ROWS_MAX);
        }
    }

    #[test]
    fn replies_and_large_values_are_not_kept() {
        let mut rows = Rows::default();
        let large = vec![9; VALUE_BYTES_MAX + 1];
        for _ in 0..3 {
            rows.offer(REPLIES, b"key", Some(b"reply"));
            rows.offer(TABLE, b"key", Some(&large));
        }
        assert!(rows.kept.is_empty());
        for _ in 0..2 {
            rows.offer(TABLE, b"key", Some(b"small"));
        }
        assert_eq!(rows.kept.len(), 1);
    }
}
