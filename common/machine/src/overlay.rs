//! Changes on top of a view: read your own writes, then keep them or drop them as one.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use crate::place::{Place, Row};
use crate::{Fault, Scan, ScanDirection, Store, StoreRead, Table, Visit};

/// A key and its new value, `None` if deleted.
type Changed<'a> = (&'a [u8], Option<&'a [u8]>);

/// What a set of writes comes to: the last value per key, `None` for a deleted one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// One map, because most changes are a handful of rows of as many tables.
    rows: BTreeMap<Row, Option<Vec<u8>>>,
}

impl Changes {
    /// Sets or deletes a key.
    pub fn set(&mut self, table: Table, key: &[u8], value: Option<&[u8]>) {
        let value = value.map(<[u8]>::to_vec);
        match self.rows.get_mut(&(table, key) as &dyn Place) {
            Some(known) => *known = value,
            None => {
                self.rows.insert((table, key.to_vec()), value);
            }
        }
    }

    /// Puts later changes over these.
    pub fn merge(&mut self, later: Self) {
        if self.rows.is_empty() {
            self.rows = later.rows;
            return;
        }
        self.rows.extend(later.rows);
    }

    /// All changes in order of table and key.
    pub fn iter(&self) -> impl Iterator<Item = (Table, &[u8], Option<&[u8]>)> {
        let rows = self.rows.iter();
        rows.map(|((table, key), value)| (*table, key.as_slice(), value.as_deref()))
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A changed row, `None` within if it was deleted.
    pub fn get(&self, table: Table, key: &[u8]) -> Option<Option<&[u8]>> {
        let row = self.rows.get(&(table, key) as &dyn Place);
        row.map(Option::as_deref)
    }

    /// Changes of a table from a key to before another, or to the end of the table.
    fn range(
        &self,
        table: Table,
        from: &[u8],
        until: Option<&[u8]>,
    ) -> impl DoubleEndedIterator<Item = Changed<'_>> {
        let from: &dyn Place = &(table, from);
        let next = table.0.checked_add(1).map(|next| (Table(next), &[][..]));
        let until = until.map(|until| (table, until)).or(next);
        let until: Bound<&dyn Place> = match &until {
            Some(until) => Bound::Excluded(until),
            None => Bound::Unbounded,
        };
        let rows = self
            .rows
            .range::<dyn Place, _>((Bound::Included(from), until));
        rows.map(|((_, key), value)| (key.as_slice(), value.as_deref()))
    }
}

/// A view and changes that are seen before it.
pub struct Over<'a> {
    base: &'a dyn StoreRead,
    changes: &'a Changes,
}

impl<'a> Over<'a> {
    /// Shows what a view would be with these changes.
    pub const fn new(base: &'a dyn StoreRead, changes: &'a Changes) -> Self {
        Self { base, changes }
    }
}

impl StoreRead for Over<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        match self.changes.get(table, key) {
            Some(changed) => Ok(changed.map(<[u8]>::to_vec)),
            None => self.base.get(table, key),
        }
    }

    fn get_many(&self, table: Table, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, Fault> {
        if self.changes.is_empty() {
            return self.base.get_many(table, keys);
        }
        let is_below = |key: &&Vec<u8>| self.changes.get(table, key).is_none();
        let below: Vec<_> = keys.iter().filter(is_below).cloned().collect();
        let mut below = self.base.get_many(table, &below)?.into_iter();
        let found = keys.iter().map(|key| match self.changes.get(table, key) {
            Some(changed) => changed.map(<[u8]>::to_vec),
            None => below.next().flatten(),
        });
        Ok(found.collect())
    }

    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), Fault> {
        if scan.until.is_some_and(|until| until <= scan.from) {
            return Ok(());
        }
        let range = self.changes.range(scan.table, scan.from, scan.until);
        let mut changed: Box<dyn Iterator<Item = Changed<'_>>> = match scan.direction {
            ScanDirection::Forward => Box::new(range),
            ScanDirection::Backward => Box::new(range.rev()),
        };
        let mut next = changed.next();
        if next.is_none() {
            return self.base.scan(scan, visit);
        }
        let before = |a: &[u8], b: &[u8]| match scan.direction {
            ScanDirection::Forward => a < b,
            ScanDirection::Backward => a > b,
        };
        let mut stopped = false;
        self.base.scan(scan, &mut |key, value| {
            while let Some((changed_key, changed_value)) = next.filter(|(k, _)| !before(key, k)) {
                next = changed.next();
                if let Some(shown) = changed_value
                    && visit(changed_key, shown).is_break()
                {
                    stopped = true;
                    return ControlFlow::Break(());
                }
                if changed_key == key {
                    return ControlFlow::Continue(()); // replaced or deleted by the overlay
                }
            }
            let flow = visit(key, value);
            stopped = flow.is_break();
            flow
        })?;
        while !stopped && let Some((key, value)) = next {
            next = changed.next();
            if let Some(shown) = value {
                stopped = visit(key, shown).is_break();
            }
        }
        Ok(())
    }
}

/// A view with changes over it.
pub struct Overlay<'a> {
    base: &'a dyn StoreRead,
    changes: Changes,
}

impl<'a> Overlay<'a> {
    /// Starts without changes.
    pub fn new(base: &'a dyn StoreRead) -> Self {
        Self {
            base,
            changes: Changes::default(),
        }
    }

    /// Gives up the view and keeps the changes.
    pub fn into_changes(self) -> Changes {
        self.changes
    }

    /// Puts changes made over this view into it.
    pub fn absorb(&mut self, changes: Changes) {
        self.changes.merge(changes);
    }

    fn over(&self) -> Over<'_> {
        Over::new(self.base, &self.changes)
    }
}

impl StoreRead for Overlay<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        self.over().get(table, key)
    }

    fn get_many(&self, table: Table, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, Fault> {
        self.over().get_many(table, keys)
    }

    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), Fault> {
        self.over().scan(scan, visit)
    }
}

impl Store for Overlay<'_> {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) {
        self.changes.set(table, key, Some(value));
    }

    fn delete(&mut self, table: Table, key: &[u8]) {
        self.changes.set(table, key, None);
    }
}
