//! Rows that each entry of a group reads and most of them write: counters, times, the directory that is just being filled.
//!
//! A replica that applies one command at a time would look for each of them in the store each time. They are kept here from entry to
//! entry instead.
//!
//! Replies are not kept: each is looked for once. Of them it is known which cannot be there ([`latest`]).
//!
//! **Invariant:** what is kept is what the store has after the last entry that was applied. Only entries, orders and checkpoints change
//! a group's rows: entries change what is kept, the others empty it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use eggs_machine::{Changes, Fault, REPLIES, Row, Scan, StoreRead, Table, Visit};

use super::latest::{self, Latest, Standing};

/// Rows that are kept for a group, at most; a process has hundreds of groups.
const ROWS_MAX: usize = 64;
/// Larger values are not kept.
const VALUE_BYTES_MAX: usize = 512;

/// What is kept of one row.
struct Kept {
    /// `None` if there is no such row.
    value: Option<Vec<u8>>,
    /// Whether it was read since it was last considered for being dropped.
    used: bool,
}

type Map = BTreeMap<Row, Kept>;

/// The rows of one group.
#[derive(Default)]
pub(super) struct Rows {
    rows: Mutex<Map>,
    latest: Mutex<Latest>,
}

impl Rows {
    fn with<R>(&self, act: impl FnOnce(&mut Map) -> R) -> R {
        act(&mut self.rows.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn latest(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An entry has changed the store.
    pub(super) fn update(&self, changes: &Changes) {
        let mut latest = self.latest();
        self.with(|rows| {
            if changes.spans().next().is_some() {
                rows.clear();
            }
            for (table, key, value) in changes.iter() {
                if table == REPLIES {
                    if value.is_some() {
                        latest.note(key);
                    }
                    continue;
                }
                let row = Row::new(table, key);
                match (rows.get_mut(&row), value) {
                    (None, _) => {}
                    (Some(_), Some(value)) if value.len() > VALUE_BYTES_MAX => {
                        rows.remove(&row);
                    }
                    (Some(kept), _) => kept.value = value.map(<[u8]>::to_vec),
                }
            }
        });
    }

    /// Something else has.
    pub(super) fn forget(&self) {
        self.with(BTreeMap::clear);
        self.latest().forget();
    }

    fn get(&self, row: &Row) -> Option<Option<Vec<u8>>> {
        self.with(|rows| {
            let kept = rows.get_mut(row)?;
            kept.used = true;
            Some(kept.value.clone())
        })
    }

    fn keep(&self, row: Row, value: Option<&[u8]>) {
        if value.is_some_and(|value| value.len() > VALUE_BYTES_MAX) {
            return;
        }
        self.with(|rows| {
            if rows.len() >= ROWS_MAX {
                // Most of what is read is read once: those rows go, the others have another round.
                rows.retain(|_, kept| std::mem::take(&mut kept.used));
            }
            if rows.len() >= ROWS_MAX {
                rows.clear();
            }
            let value = value.map(<[u8]>::to_vec);
            rows.insert(row, Kept { value, used: false });
        });
    }
}

/// The newest state of a group, seen through what is kept of it.
pub(super) struct ThroughRows<'a> {
    base: &'a dyn StoreRead,
    rows: &'a Rows,
}

impl<'a> ThroughRows<'a> {
    pub(super) const fn new(base: &'a dyn StoreRead, rows: &'a Rows) -> Self {
        Self { base, rows }
    }
}

impl ThroughRows<'_> {
    /// Each is looked for once and never again: none is kept.
    fn reply(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let mut standing = self.rows.latest().look(key);
        if standing == Standing::Ask
            && let Some(found) = latest::find(self.base, key)?
        {
            let mut latest = self.rows.latest();
            latest.learn(found);
            standing = latest.look(key);
        }
        match standing {
            Standing::New => Ok(None),
            Standing::Unknown | Standing::Ask => self.base.get(REPLIES, key),
        }
    }
}

impl StoreRead for ThroughRows<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        if table == REPLIES {
            return self.reply(key);
        }
        let row = Row::new(table, key);
        if let Some(kept) = self.rows.get(&row) {
            return Ok(kept);
        }
        let value = self.base.get(table, key)?;
        self.rows.keep(row, value.as_deref());
        Ok(value)
    }

    fn get_many(&self, table: Table, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, Fault> {
        self.base.get_many(table, keys)
    }

    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), Fault> {
        self.base.scan(scan, visit)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use eggs_machine::MemoryStore;

    use super::*;

    const TABLE: Table = Table(16);

    /// Counts how often it is asked for a row.
    pub(in crate::state) struct Counted<'a>(
        pub(in crate::state) &'a MemoryStore,
        pub(in crate::state) &'a AtomicUsize,
    );

    impl StoreRead for Counted<'_> {
        fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.get(table, key)
        }

        fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), Fault> {
            self.0.scan(scan, visit)
        }
    }

    /// A key of one byte and what it gets.
    type Step<'a> = (u8, Option<&'a [u8]>);

    fn changes(rows: &[Step<'_>]) -> Changes {
        let mut changes = Changes::default();
        for (key, value) in rows {
            changes.set(TABLE, &[*key], *value);
        }
        changes
    }

    #[test]
    fn what_is_kept_follows_what_is_written() {
        let (rows, mut store, asked) =
            (Rows::default(), MemoryStore::default(), AtomicUsize::new(0));
        let large = vec![9; VALUE_BYTES_MAX + 1];
        let steps: [&[Step<'_>]; 5] = [
            &[(1, Some(b"one")), (2, Some(b"two"))],
            &[(1, None), (3, Some(b"three"))],
            &[(1, Some(b"again")), (2, Some(&large))],
            &[(2, Some(b"small"))],
            &[(3, None), (3, Some(b"last"))],
        ];
        for step in steps {
            let written = changes(step);
            store.commit(&written);
            rows.update(&written);
            for key in 0..5 {
                let seen = ThroughRows::new(&Counted(&store, &asked), &rows).get(TABLE, &[key]);
                assert_eq!(seen.unwrap(), store.get(TABLE, &[key]).unwrap(), "{key}");
            }
        }
        // Five at first; the large one when it became so, and once more when it was small again.
        assert_eq!(asked.load(Ordering::Relaxed), 7);
        rows.forget();
        let _ = ThroughRows::new(&Counted(&store, &asked), &rows).get(TABLE, &[1]);
        assert_eq!(asked.load(Ordering::Relaxed), 8);
    }

    #[test]
    fn what_is_dropped_is_not_kept() {
        let (rows, mut store, asked) =
            (Rows::default(), MemoryStore::default(), AtomicUsize::new(0));
        store.commit(&changes(&[(1, Some(b"one")), (2, Some(b"two"))]));
        let mut dropped = changes(&[]);
        dropped.drop_span(TABLE, &[2], None);
        for change in [changes(&[]), dropped] {
            store.commit(&change);
            rows.update(&change);
            for key in 1..3 {
                let seen = ThroughRows::new(&Counted(&store, &asked), &rows).get(TABLE, &[key]);
                assert_eq!(seen.unwrap(), store.get(TABLE, &[key]).unwrap(), "{key}");
            }
        }
    }

    #[test]
    fn what_is_used_outlives_what_is_read_once_and_all_is_bounded() {
        let (rows, store, asked) = (Rows::default(), MemoryStore::default(), AtomicUsize::new(0));
        let counted = Counted(&store, &asked);
        let view = ThroughRows::new(&counted, &rows);
        let once = 10 * ROWS_MAX;
        for at in 0..once {
            view.get(TABLE, b"often").unwrap();
            view.get(TABLE, &at.to_be_bytes()).unwrap();
            assert!(rows.with(|rows| rows.len()) <= ROWS_MAX);
        }
        assert_eq!(asked.load(Ordering::Relaxed), once + 1);
        for round in 0..2 {
            for at in 0..2 * ROWS_MAX {
                view.get(Table(17), &at.to_be_bytes()).unwrap();
                view.get(Table(17), &at.to_be_bytes()).unwrap();
                assert!(rows.with(|rows| rows.len()) <= ROWS_MAX, "{round}");
            }
        }
    }
}
