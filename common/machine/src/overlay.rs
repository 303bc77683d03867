//! Changes on top of a view: read your own writes, then keep them or drop them as one.

use std::ops::ControlFlow;

use crate::changes::Changed;
use crate::{Changes, Fault, Row, Scan, ScanDirection, Store, StoreRead, Table, Visit};

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
        let drops = !self.changes.dropped.is_empty();
        if next.is_none() && !drops {
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
            if drops && self.changes.drops(&Row::new(scan.table, key)) {
                return ControlFlow::Continue(());
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

/// What was changed of a row before: nothing, or to which value, `None` for a deleted one.
type Before = Option<Option<Vec<u8>>>;

/// A view with changes over it.
pub struct Overlay<'a> {
    base: &'a dyn StoreRead,
    changes: Changes,
    /// Whether there is a savepoint.
    saved: bool,
    /// What was there of each row changed since then, the last change last.
    undo: Vec<(Row, Before)>,
}

impl<'a> Overlay<'a> {
    /// Starts without changes.
    pub fn new(base: &'a dyn StoreRead) -> Self {
        Self {
            base,
            changes: Changes::default(),
            saved: false,
            undo: Vec::new(),
        }
    }

    /// Gives up the view and keeps the changes.
    pub fn into_changes(self) -> Changes {
        self.changes
    }

    /// Deletes all keys of a table from one to before another, or to the end of the table. Not after a savepoint: this is
    /// not undone.
    pub fn drop_span(&mut self, table: Table, from: &[u8], until: Option<&[u8]>) {
        self.changes.drop_span(table, from, until);
    }

    /// Sets the savepoint that [`Self::rollback`] goes back to, instead of an earlier one.
    pub fn savepoint(&mut self) {
        self.undo.clear();
        self.saved = true;
    }

    /// Drops all changes since the savepoint, and the savepoint; nothing without one.
    pub fn rollback(&mut self) {
        for (row, before) in self.undo.drain(..).rev() {
            match before {
                Some(value) => self.changes.rows.insert(row, value),
                None => self.changes.rows.remove(&row),
            };
        }
        self.saved = false;
    }

    /// Keeps all changes since the savepoint.
    pub fn release(&mut self) {
        self.undo.clear();
        self.saved = false;
    }

    fn change(&mut self, table: Table, key: &[u8], value: Option<&[u8]>) {
        if !self.saved {
            return self.changes.set(table, key, value);
        }
        let row = Row::new(table, key);
        let value = value.map(<[u8]>::to_vec);
        let before = self.changes.rows.insert(row.clone(), value);
        self.undo.push((row, before));
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
        self.change(table, key, Some(value));
    }

    fn delete(&mut self, table: Table, key: &[u8]) {
        self.change(table, key, None);
    }
}
