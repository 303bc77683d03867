//! Where a row is: what maps of rows are ordered by.

use smallvec::SmallVec;

use crate::Table;

/// Bytes of a table and a key that need no memory of their own: all keys but those with long names.
const INLINE: usize = 40;

/// A table and a key in it, in the order of tables and then of keys. One string of bytes, so that two of them are compared at once and
/// where they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row(SmallVec<[u8; INLINE]>);

impl Row {
    /// The row under a key.
    pub fn new(table: Table, key: &[u8]) -> Self {
        let mut bytes = SmallVec::with_capacity(1 + key.len());
        bytes.push(table.0);
        bytes.extend_from_slice(key);
        Self(bytes)
    }

    /// Its table.
    pub fn table(&self) -> Table {
        Table(self.0[0])
    }

    /// Its key.
    pub fn key(&self) -> &[u8] {
        &self.0[1..]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place() -> impl Strategy<Value = (u8, Vec<u8>)> {
        (0u8..3, prop::collection::vec(0u8..3, 0..2 * INLINE))
    }

    proptest! {
        #[test]
        fn rows_are_ordered_by_table_and_key_however_long(a in place(), b in place()) {
            let row = |place: &(u8, Vec<u8>)| Row::new(Table(place.0), &place.1);
            prop_assert_eq!(row(&a).cmp(&row(&b)), a.cmp(&b));
            prop_assert_eq!((row(&a).table().0, row(&a).key().to_vec()), a);
        }
    }
}
