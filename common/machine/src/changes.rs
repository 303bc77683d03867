//! What a set of writes comes to.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::span::Span;
use crate::{Row, Table};

/// A key and its new value, `None` if deleted.
pub(crate) type Changed<'a> = (&'a [u8], Option<&'a [u8]>);

/// What a set of writes comes to: spans are dropped, then keys get their last value, `None` for a deleted one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub(crate) dropped: Vec<Span>,
    /// One map, because most changes are a handful of rows of as many tables.
    pub(crate) rows: BTreeMap<Row, Option<Vec<u8>>>,
}

impl Changes {
    /// Sets or deletes a key.
    pub fn set(&mut self, table: Table, key: &[u8], value: Option<&[u8]>) {
        let value = value.map(<[u8]>::to_vec);
        self.rows.insert(Row::new(table, key), value);
    }

    /// Deletes all keys of a table from one to before another, or to the end of the table.
    pub fn drop_span(&mut self, table: Table, from: &[u8], until: Option<&[u8]>) {
        if until.is_none_or(|until| from < until) {
            self.drop_rows(Span::new(table, from, until));
        }
    }

    fn drop_rows(&mut self, span: Span) {
        self.rows.retain(|row, _| !span.has(row));
        self.dropped.push(span);
    }

    /// Puts later changes over these.
    pub fn merge(&mut self, later: Self) {
        if self.is_empty() {
            *self = later;
            return;
        }
        later
            .dropped
            .into_iter()
            .for_each(|span| self.drop_rows(span));
        self.rows.extend(later.rows);
    }

    /// What is dropped before rows get their values: from which key to before which, `None` for the end of the table.
    pub fn spans(&self) -> impl Iterator<Item = (Table, &[u8], Option<&[u8]>)> {
        self.dropped.iter().map(Span::keys)
    }

    /// All rows that are set or deleted by themselves, in order of table and key.
    pub fn iter(&self) -> impl Iterator<Item = (Table, &[u8], Option<&[u8]>)> {
        let rows = self.rows.iter();
        rows.map(|(row, value)| (row.table(), row.key(), value.as_deref()))
    }

    /// How many rows are set or deleted by themselves.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.dropped.is_empty()
    }

    /// A changed row, `None` within if it was deleted.
    pub fn get(&self, table: Table, key: &[u8]) -> Option<Option<&[u8]>> {
        let row = Row::new(table, key);
        match self.rows.get(&row) {
            Some(value) => Some(value.as_deref()),
            None => self.drops(&row).then_some(None),
        }
    }

    /// Whether a row is among those that are dropped.
    pub(crate) fn drops(&self, row: &Row) -> bool {
        self.dropped.iter().any(|span| span.has(row))
    }

    /// Changes of a table from a key to before another, or to the end of the table.
    pub(crate) fn range(
        &self,
        table: Table,
        from: &[u8],
        until: Option<&[u8]>,
    ) -> impl DoubleEndedIterator<Item = Changed<'_>> {
        let Span { from, until } = Span::new(table, from, until);
        let until = until.map_or(Bound::Unbounded, Bound::Excluded);
        let from = Bound::Included(from);
        let rows = self.rows.range((from, until));
        rows.map(|(row, value)| (row.key(), value.as_deref()))
    }
}
