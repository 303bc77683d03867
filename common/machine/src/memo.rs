//! A view that reads each key once.
//!
//! Commands of one entry look at the same things again and again: the directory that all of them change, counters, keys that are not
//! there. A store under it is asked once.
//!
//! **Invariant:** the view below does not change while this one lives.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::{Fault, Row, Scan, StoreRead, Table, Visit};

/// Keys that are remembered, at most; more are read each time.
const KEYS_MAX: usize = 4096;

type Seen = BTreeMap<Row, Option<Vec<u8>>>;

/// Remembers what was read, for as long as an entry is applied.
pub(crate) struct Memo<'a> {
    base: &'a dyn StoreRead,
    seen: Mutex<Seen>,
}

impl<'a> Memo<'a> {
    pub(crate) fn new(base: &'a dyn StoreRead) -> Self {
        Self {
            base,
            seen: Mutex::default(),
        }
    }
}

impl StoreRead for Memo<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let row = Row::new(table, key);
        if let Some(found) = seen.get(&row) {
            return Ok(found.clone());
        }
        let found = self.base.get(table, key)?;
        if seen.len() < KEYS_MAX {
            seen.insert(row, found.clone());
        }
        Ok(found)
    }

    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), Fault> {
        self.base.scan(scan, visit)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Has every key of one byte, and counts how often it is asked.
    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl StoreRead for Counted {
        fn get(&self, _: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok((key.len() == 1).then(|| key.to_vec()))
        }

        fn scan(&self, _: Scan<'_>, _: &mut Visit<'_>) -> Result<(), Fault> {
            Ok(())
        }
    }

    #[test]
    fn the_same_key_is_read_once_whether_it_is_there_or_not() {
        let store = Counted::default();
        let memo = Memo::new(&store);
        for _ in 0..3 {
            assert_eq!(memo.get(Table(16), &[1]).unwrap(), Some(vec![1]));
            assert_eq!(memo.get(Table(16), &[1, 2]).unwrap(), None);
            assert_eq!(memo.get(Table(17), &[1]).unwrap(), Some(vec![1]));
        }
        assert_eq!(store.0.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn memory_is_bounded() {
        let store = Counted::default();
        let memo = Memo::new(&store);
        for n in 0..2 * KEYS_MAX {
            memo.get(Table(16), &n.to_be_bytes()).unwrap();
        }
        assert_eq!(memo.seen.lock().unwrap().len(), KEYS_MAX);
    }
}
