//! What must be true of the state of one shard at every moment. For fsck, property tests and simulation alike.
//!
//! Everything derived is computed again from the inodes, dentries and extents and compared with what is kept. An
//! audit goes through the state [page by page](page), each a bounded amount of work in one consistent view, so that a
//! shard in use can be checked; [`check`] is all pages of a state that stands still.
//!
//! A page says for certain what is wrong with the inodes in it. Sums over the whole shard are compared at the
//! end if the shard has not changed since the first page. What takes several pages or shards to see (is a file
//! owned by exactly one name, is a block in two files) is left to who asks: a page lists what that takes, and
//! `eggs-audit` decides.
//!
//! **Invariant:** a finding of a page was true at one moment, however much the shard changes between pages.

mod cursor;
mod extents;
mod indexes;
mod inode;
mod names;
mod sums;
mod tally;
mod trees;
mod walk;
mod xattrs;

use eggs_machine::{Fault, StoreRead};
use eggs_proto::audit::{AuditCursor, AuditPage, Finding};
use eggs_proto::{AUDIT_RECORDS_MAX, Refusal, ShardId};

use crate::state::Reader;
use cursor::Cursor;
use walk::{Budget, Walk};

/// About how many bytes a page may have.
const PAGE_BYTES_MAX: usize = 2 << 20;

/// Checks the whole state of a shard; a state that cannot be read is a fault.
pub fn check(shard: ShardId, store: &dyn StoreRead) -> Result<Vec<Finding>, Fault> {
    check_by_pages(shard, store, Budget::unbounded())
}

fn check_by_pages(
    shard: ShardId,
    store: &dyn StoreRead,
    budget: Budget,
) -> Result<Vec<Finding>, Fault> {
    let read = Reader::new(shard, store);
    let mut join = eggs_audit::ShardJoin::default();
    let mut findings = Vec::new();
    let mut cursor = Cursor::begin(read)?;
    loop {
        let (mut page, next) = Walk::new(read, budget).run(cursor)?;
        findings.append(&mut page.findings);
        join.add(page);
        match next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    findings.extend(join.finish(shard).0);
    Ok(findings)
}

/// Checks a part of a shard.
pub(crate) fn page(
    read: Reader<'_>,
    after: Option<&AuditCursor>,
    limit: u32,
) -> Result<Result<AuditPage, Refusal>, Fault> {
    let cursor = match after {
        None => Cursor::begin(read)?,
        Some(after) => match Cursor::decode(after) {
            Ok(cursor) => cursor,
            Err(refusal) => return Ok(Err(refusal)),
        },
    };
    let budget = Budget {
        records: limit.clamp(1, AUDIT_RECORDS_MAX) as usize,
        bytes: PAGE_BYTES_MAX,
    };
    let (mut page, next) = Walk::new(read, budget).run(cursor)?;
    page.next = next.map(|next| next.encode());
    Ok(Ok(page))
}

#[cfg(test)]
mod tests;
