//! A group's state in pieces whose borders follow from its rows, so that a change in one place leaves most pieces as they
//! were: whoever has them need not store them again.

use bytes::Bytes;
use eggs_machine::{Fault, Scan, ScanDirection, StoreRead as _, Table};
use eggs_proto::image::{Digester, StateKey, TableDigest};
use std::ops::ControlFlow;
use xxhash_rust::xxh64::xxh64;

use super::GroupView;
use super::checkpoint::Chunk;

/// A piece has at least so many bytes, but for the last one of a table: tables that change all the time, such as that of
/// log time, have pieces of their own.
const PIECE_BYTES_MIN: usize = 128 << 10;
/// After that, it ends at one of so many rows, by a hash of its key; or when it is as large as a chunk may be.
const BORDER_ONE_IN: u64 = 64;

fn is_border(table: u8, key: &[u8]) -> bool {
    xxh64(key, u64::from(table)).is_multiple_of(BORDER_ONE_IN)
}

impl GroupView<'_> {
    /// The piece after a row, and its last row if there are more after it.
    pub(crate) fn piece(
        &self,
        after: Option<&StateKey>,
    ) -> Result<(Bytes, Option<StateKey>), Fault> {
        let mut chunk = Chunk::default();
        let mut last = Vec::new();
        let first = after.map_or(0, |after| after.table);
        for table in self.tables().filter(|table| table.0 >= first) {
            // The first key that is larger than the last one seen.
            let from = after
                .filter(|after| after.table == table.0)
                .map(|after| [&after.key[..], &[0]].concat())
                .unwrap_or_default();
            let scan = Scan {
                table,
                from: &from,
                until: None,
                direction: ScanDirection::Forward,
            };
            self.scan(scan, &mut |key, value| {
                chunk.push(table.0, key, value);
                last.clear();
                last.extend_from_slice(key);
                let is_full =
                    chunk.is_full() || (chunk.len() >= PIECE_BYTES_MIN && is_border(table.0, key));
                match is_full {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            })?;
            if !chunk.is_empty() {
                // Whether more follows is found out by asking for it: the last piece is empty.
                let next = StateKey {
                    table: table.0,
                    key: last,
                };
                return Ok((chunk.take(), Some(next)));
            }
        }
        Ok((chunk.take(), None))
    }

    /// What the tables hold.
    pub(crate) fn digest(&self) -> Result<Vec<TableDigest>, Fault> {
        let mut digester = Digester::default();
        for table in self.tables() {
            self.each(table, &mut |key, value| {
                digester.add(table.0, key, value);
                true
            })?;
        }
        Ok(digester.finish())
    }

    fn tables(&self) -> impl Iterator<Item = Table> + '_ {
        self.state().tables()
    }
}
