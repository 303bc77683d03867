//! Rows next to each other.

use crate::{Row, Table};

/// Rows of one table from a key to before another, or to the end of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Row,
    /// `None` for the end of all tables.
    pub(crate) until: Option<Row>,
}

impl Span {
    pub(crate) fn new(table: Table, from: &[u8], until: Option<&[u8]>) -> Self {
        let next = table.0.checked_add(1).map(Table);
        Self {
            from: Row::new(table, from),
            until: match until {
                Some(until) => Some(Row::new(table, until)),
                None => next.map(|next| Row::new(next, &[])),
            },
        }
    }

    pub(crate) fn has(&self, row: &Row) -> bool {
        *row >= self.from && self.until.as_ref().is_none_or(|until| row < until)
    }

    /// The table, the first key, and the key before which it ends; `None` for the end of the table.
    pub(crate) fn keys(&self) -> (Table, &[u8], Option<&[u8]>) {
        let table = self.from.table();
        let within = self.until.as_ref().filter(|until| until.table() == table);
        (table, self.from.key(), within.map(Row::key))
    }
}
