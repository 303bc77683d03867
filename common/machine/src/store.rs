//! Ordered tables of bytes.

use std::ops::ControlFlow;

use crate::Fault;

/// A table of one group's state; the number is part of the on-disk format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table(pub u8);

/// A table and the name under which a store keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// Its number.
    pub table: Table,
    /// Its name, for the column family and for reports.
    pub name: &'static str,
}

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanDirection {
    /// From the smallest key up.
    Forward,
    /// From the largest key down.
    Backward,
}

/// A range of keys of one table: `from <= key < until`.
#[derive(Clone, Copy, Debug)]
pub struct Scan<'a> {
    /// The table.
    pub table: Table,
    /// First key, included.
    pub from: &'a [u8],
    /// End of the range, excluded; `None` for the end of the table.
    pub until: Option<&'a [u8]>,
    /// Order of the visit.
    pub direction: ScanDirection,
}

/// Shown every entry of a scan: key and value.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// A consistent view of one group's state.
pub trait StoreRead {
    /// The value under a key.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault>;

    /// The values under many keys, in the order of the keys; stores that can look for all of them at once do.
    fn get_many(&self, table: Table, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, Fault> {
        keys.iter().map(|key| self.get(table, key)).collect()
    }

    /// Shows every entry of a range to `visit` until it breaks.
    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), Fault>;
}

/// A view that can be changed; changes are visible to later reads through the same view.
pub trait Store: StoreRead {
    /// Sets the value under a key.
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]);

    /// Removes a key; removing what is not there is fine.
    fn delete(&mut self, table: Table, key: &[u8]);
}
