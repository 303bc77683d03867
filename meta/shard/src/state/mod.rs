//! Typed access to the state of one shard. What is derived (counters, indexes) is kept right here, from the
//! difference between the old and the new record, so that no operation can forget it.

mod blocks;
mod carriers;
mod directory;
mod extents;
mod inodes;
mod recount;
mod repair;
mod scan;
mod transient;
mod trees;
mod xattrs;

use eggs_machine::bugs::{Bug, impurity, planted};
use eggs_machine::{Fault, Store, StoreRead, Stored, from_bytes, to_bytes};
use eggs_proto::{BlockId, InodeId, InodeKind, ShardId, Time};

use crate::keys;
use crate::records::Counters;

pub(crate) use blocks::block_facts;
pub(crate) use carriers::FormerCarrier;
pub(crate) use directory::{OpenDirectory, Ownership};
pub(crate) use extents::services;
pub(crate) use inodes::add;
pub(crate) use recount::Recount;
#[cfg(test)]
pub(crate) use recount::{Place, ShardRecount};
pub(crate) use scan::{Range, visit};
pub(crate) use transient::OpenTransient;
pub(crate) use trees::{Held, TreeChild, TreeDirty, TreeRecord, bytes_of, one};

/// A view for reading.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) shard: ShardId,
    pub(crate) store: &'a dyn StoreRead,
}

impl<'a> Reader<'a> {
    /// A view of the state of a shard.
    pub(crate) fn new(shard: ShardId, store: &'a dyn StoreRead) -> Self {
        Self { shard, store }
    }

    /// A value of a table; operations use the typed accessors instead.
    pub(crate) fn get<T: Stored>(
        self,
        table: eggs_machine::Table,
        key: &[u8],
    ) -> Result<Option<T>, Fault> {
        match self.store.get(table, key)? {
            Some(bytes) => from_bytes(&bytes).map(Some),
            None => Ok(None),
        }
    }

    /// The counters. Root counts although it may not have been written yet.
    pub(crate) fn counters(self) -> Result<Counters, Fault> {
        let fresh = Counters {
            next_inode: 1,
            next_block: 1,
            directories: u64::from(self.shard == InodeId::ROOT.shard()),
            ..Counters::default()
        };
        Ok(self.get(keys::COUNTERS, keys::USAGE)?.unwrap_or(fresh))
    }
}

/// A view for one change.
pub(crate) struct State<'a> {
    pub(crate) shard: ShardId,
    pub(crate) now: Time,
    store: &'a mut dyn Store,
    counters: Counters,
    recount: Option<Recount>,
    recount_before: Option<Recount>,
}

impl<'a> State<'a> {
    /// Begins a change.
    pub(crate) fn new(shard: ShardId, now: Time, store: &'a mut dyn Store) -> Result<Self, Fault> {
        let read = Reader::new(shard, &*store);
        let counters = read.counters()?;
        let recount = read.get(keys::COUNTERS, keys::RECOUNT)?;
        Ok(Self {
            shard,
            now,
            store,
            counters,
            recount_before: recount.clone(),
            recount,
        })
    }

    /// Ends a change that is accepted.
    pub(crate) fn finish(mut self) {
        self.counters.now = self.now;
        self.pollute();
        let bytes = to_bytes(&self.counters);
        self.store.put(keys::COUNTERS, keys::USAGE, &bytes);
        if self.recount == self.recount_before {
            return;
        }
        match self.recount.as_ref().map(to_bytes) {
            Some(bytes) => self.store.put(keys::COUNTERS, keys::RECOUNT, &bytes),
            None => self.store.delete(keys::COUNTERS, keys::RECOUNT),
        }
    }

    /// Where a deliberate bug lets the world into the state.
    fn pollute(&mut self) {
        for bug in [Bug::HiddenCounter, Bug::ClockRead, Bug::HashOrder] {
            if planted(bug) {
                self.counters.next_inode = self.counters.next_inode.wrapping_add(impurity());
            }
        }
    }

    /// The same view for reading.
    pub(crate) fn read(&self) -> Reader<'_> {
        Reader::new(self.shard, &*self.store)
    }

    fn put<T: Stored>(&mut self, table: eggs_machine::Table, key: &[u8], value: &T) {
        self.store.put(table, key, &to_bytes(value));
    }

    /// A number that no other inode of the shard has had.
    pub(crate) fn fresh_inode(&mut self, kind: InodeKind) -> InodeId {
        let counter = self.counters.next_inode;
        self.counters.next_inode = counter.wrapping_add(1);
        InodeId::new(kind, self.shard, counter)
    }

    /// A number that no other block has had.
    pub(crate) fn fresh_block(&mut self) -> BlockId {
        let counter = self.counters.next_block;
        self.counters.next_block = counter.wrapping_add(1);
        BlockId::new(self.shard, counter)
    }
}
