//! Tables and keys of the coordinator's state, all big-endian.
//!
//! | table | key | value |
//! |---|---|---|
//! | transactions | transaction | [`crate::transaction::Transaction`] |
//! | parents | directory | [`crate::state::Parent`] |
//! | requests | client, sequence | [`crate::outcomes::Record`] |
//! | finished | time, client, sequence | nothing |
//! | counters | name | a number, or a key of `finished` |
//! | stuck | transaction modulo 1024 | [`crate::Stuck`] |
//! | leaving | directory | number of decided transactions that have yet to remove a name from it |

use eggs_machine::{Table, TableSpec};
use eggs_proto::{InodeId, RequestId, Time, TransactionId};

pub(crate) const TRANSACTIONS: Table = Table(16);
pub(crate) const PARENTS: Table = Table(17);
pub(crate) const REQUESTS: Table = Table(18);
pub(crate) const FINISHED: Table = Table(19);
pub(crate) const COUNTERS: Table = Table(20);
pub(crate) const STUCK: Table = Table(21);
pub(crate) const LEAVING: Table = Table(22);

/// The tables of the coordinator's machine.
pub const CDC_TABLES: [TableSpec; 7] = [
    spec(TRANSACTIONS, "cdc_transactions"),
    spec(PARENTS, "cdc_parents"),
    spec(REQUESTS, "cdc_requests"),
    spec(FINISHED, "cdc_finished"),
    spec(COUNTERS, "cdc_counters"),
    spec(STUCK, "cdc_stuck"),
    spec(LEAVING, "cdc_leaving"),
];

/// Transactions begun since the beginning; the last one has this number.
pub(crate) const BEGUN: &[u8] = b"begun";
/// Transactions finished since the beginning.
pub(crate) const ENDED: &[u8] = b"ended";
/// Directories named since the beginning; the last one has this number.
pub(crate) const NAMED: &[u8] = b"named";
/// Everything in `finished` before this key has been forgotten.
pub(crate) const FORGET_FROM: &[u8] = b"forget_from";

/// Most stuck transactions that are remembered.
const STUCK_MAX: u64 = 1024;

const fn spec(table: Table, name: &'static str) -> TableSpec {
    TableSpec { table, name }
}

pub(crate) fn transaction(id: TransactionId) -> [u8; 8] {
    id.0.to_be_bytes()
}

pub(crate) fn parse_transaction(key: &[u8]) -> Option<TransactionId> {
    Some(TransactionId(u64::from_be_bytes(key.try_into().ok()?)))
}

pub(crate) fn inode(id: InodeId) -> [u8; 8] {
    id.get().to_be_bytes()
}

pub(crate) fn parse_inode(bytes: &[u8]) -> Option<InodeId> {
    InodeId::try_from(u64::from_be_bytes(bytes.try_into().ok()?)).ok()
}

pub(crate) fn request(id: RequestId) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&id.client.to_be_bytes());
    key[8..].copy_from_slice(&id.sequence.to_be_bytes());
    key
}

pub(crate) fn finished(time: Time, id: RequestId) -> [u8; 24] {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&time.0.to_be_bytes());
    key[8..].copy_from_slice(&request(id));
    key
}

pub(crate) fn stuck(id: TransactionId) -> [u8; 8] {
    (id.0 % STUCK_MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_pinned() {
        let id = RequestId {
            client: 1,
            sequence: 2,
        };
        assert_eq!(
            finished(Time(3), id),
            *b"\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02"
        );
        assert_eq!(inode(InodeId::ROOT), *b"\x20\0\0\0\0\0\0\0");
        assert_eq!(parse_inode(&inode(InodeId::ROOT)), Some(InodeId::ROOT));
        assert_eq!(parse_inode(b"short"), None);
        assert_eq!(
            parse_transaction(&transaction(TransactionId(7))),
            Some(TransactionId(7))
        );
        assert_eq!(stuck(TransactionId(1025)), 1u64.to_be_bytes());
    }
}
