//! The way through the tables.

use std::ops::ControlFlow;

use eggs_machine::{Fault, Table};
use eggs_proto::InodeId;
use eggs_proto::audit::{AuditPage, Finding};

use super::cursor::{At, Cursor};
use crate::keys;
use crate::records::Counters;
use crate::state::{Range, Reader, visit};

/// How much work a page may be.
#[derive(Clone, Copy)]
pub(super) struct Budget {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

impl Budget {
    pub(super) const fn unbounded() -> Self {
        Self {
            records: usize::MAX,
            bytes: usize::MAX,
        }
    }
}

/// A page being made.
pub(super) struct Walk<'a> {
    pub(super) read: Reader<'a>,
    pub(super) page: AuditPage,
    pub(super) sums: Counters,
    budget: Budget,
}

impl<'a> Walk<'a> {
    pub(super) fn new(read: Reader<'a>, budget: Budget) -> Self {
        Self {
            read,
            page: AuditPage::default(),
            sums: Counters::default(),
            budget,
        }
    }

    /// Goes on until the budget is spent.
    pub(super) fn run(mut self, cursor: Cursor) -> Result<(AuditPage, Option<Cursor>), Fault> {
        self.sums = cursor.sums;
        let mut at = cursor.at;
        loop {
            at = match at {
                At::Inodes { from } => self.next_inode(from)?,
                At::Within(within) => self.inode(*within)?,
                At::Deadlines { from } => self.deadlines(from)?,
                At::Garbage { from } => self.garbage(from)?,
                At::Services { from } => self.services(from)?,
                At::End => {
                    self.compare_sums(cursor.began)?;
                    return Ok((self.page, None));
                }
            };
            if self.is_spent() && !matches!(at, At::End) {
                let sums = self.sums;
                let began = cursor.began;
                return Ok((self.page, Some(Cursor { began, sums, at })));
            }
        }
    }

    /// A record was looked at, and adds about this many bytes to the page.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.budget.records = self.budget.records.saturating_sub(1);
        self.budget.bytes = self.budget.bytes.saturating_sub(bytes);
    }

    pub(super) const fn is_spent(&self) -> bool {
        self.budget.records == 0 || self.budget.bytes == 0
    }

    pub(super) fn find(&mut self, finding: Finding) {
        self.budget.bytes = self.budget.bytes.saturating_sub(200);
        self.page.findings.push(finding);
    }

    fn next_inode(&mut self, from: u64) -> Result<At, Fault> {
        let root = InodeId::ROOT;
        // Root exists even before it is written.
        let mut first =
            (self.read.shard == root.shard() && from <= root.get()).then_some(root.get());
        let tables = [
            keys::INODES,
            keys::DENTRIES,
            keys::SNAPSHOTS,
            keys::EXTENTS,
            keys::TREES,
            keys::TREE_CHILDREN,
            keys::XATTRS,
        ];
        for table in tables {
            if let Some(found) = self.first(table, from)? {
                first = Some(first.map_or(found, |known: u64| known.min(found)));
            }
        }
        match first {
            Some(inode) => self.begin_inode(inode),
            None => Ok(At::Deadlines { from: Vec::new() }),
        }
    }

    /// The first number from `from` on that begins a key of a table.
    fn first(&self, table: Table, from: u64) -> Result<Option<u64>, Fault> {
        let mut found = None;
        let range = Range::from(table, from.to_be_bytes().to_vec());
        visit(self.read.store, &range, |key, _| {
            let first = key.first_chunk::<8>();
            let first = first.ok_or_else(|| Fault::Damaged("a key is too short".into()))?;
            found = Some(u64::from_be_bytes(*first));
            Ok::<_, Fault>(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// Shows the entries of a range until the budget is spent; says where to go on.
    pub(super) fn scan(
        &mut self,
        range: &Range,
        mut look: impl FnMut(&mut Self, &[u8], &[u8]) -> Result<(), Fault>,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let mut rest = None;
        let store = self.read.store;
        visit(store, range, |key, value| {
            if self.is_spent() {
                rest = Some(key.to_vec());
                return Ok::<_, Fault>(ControlFlow::Break(()));
            }
            look(self, key, value)?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(rest)
    }
}
