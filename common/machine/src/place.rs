//! Where a row is, owned or borrowed: maps of rows are asked without making a key first.

use std::borrow::Borrow;
use std::cmp::Ordering;

use crate::Table;

/// An owned place: what maps of rows are ordered by.
pub(crate) type Row = (Table, Vec<u8>);

/// A table and a key in it, in the order of [`Row`].
pub(crate) trait Place {
    /// The table and the key.
    fn place(&self) -> (Table, &[u8]);
}

impl Place for Row {
    fn place(&self) -> (Table, &[u8]) {
        (self.0, &self.1)
    }
}

impl Place for (Table, &[u8]) {
    fn place(&self) -> (Table, &[u8]) {
        *self
    }
}

impl<'a> Borrow<dyn Place + 'a> for Row {
    fn borrow(&self) -> &(dyn Place + 'a) {
        self
    }
}

impl Ord for dyn Place + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl PartialOrd for dyn Place + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for dyn Place + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for dyn Place + '_ {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ops::Bound;

    use super::*;

    #[test]
    fn rows_are_found_and_ordered_as_if_the_key_was_owned() {
        let rows = [(1, "b"), (0, "z"), (1, ""), (1, "ab"), (0, "")];
        let owned = |(table, key): (u8, &str)| (Table(table), key.as_bytes().to_vec());
        let map: BTreeMap<Row, usize> = rows.map(owned).into_iter().zip(0..).collect();
        for (at, (table, key)) in rows.into_iter().enumerate() {
            let place = (Table(table), key.as_bytes());
            assert_eq!(map.get(&place as &dyn Place), Some(&at));
        }
        let nowhere = (Table(2), &b""[..]);
        assert_eq!(map.get(&nowhere as &dyn Place), None);
        let from = (Table(1), &b"a"[..]);
        let from = Bound::Included(&from as &dyn Place);
        let after = map.range::<dyn Place, _>((from, Bound::Unbounded));
        assert_eq!(after.count(), 2);
    }
}
