//! What must be true of the whole state of one shard at every moment. For property tests, simulation and fsck.
//!
//! Everything derived is computed again from the inodes, dentries and extents and compared with what is kept.
//! What spans shards (a dentry here, its inode there) is not decided here.

mod files;
mod names;
mod violation;
mod xattrs;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use eggs_machine::{Fault, StoreRead, Table};
use eggs_proto::{BlockId, BlockServiceId, InodeId, ShardId, Time};

use crate::keys;
use crate::records::{BlockCount, Counters, GarbageRecord, InodeRecord};
use crate::state::{Range, Reader, add, visit};
use crate::value::{Stored, from_bytes};

pub use violation::Violation;

/// Checks the whole state of a shard; a state that cannot be read is a fault.
pub fn check(shard: ShardId, store: &dyn StoreRead) -> Result<Vec<Violation>, Fault> {
    let mut audit = Audit::read(shard, store)?;
    names::check(&mut audit)?;
    files::check(&mut audit)?;
    xattrs::check(&mut audit)?;
    audit.check_garbage()?;
    audit.check_indexes()?;
    audit.check_counters()?;
    Ok(audit.violations)
}

/// A state being checked.
struct Audit<'a> {
    read: Reader<'a>,
    inodes: BTreeMap<InodeId, InodeRecord>,
    /// Where each block was found.
    blocks: BTreeMap<BlockId, Option<InodeId>>,
    /// Blocks of a file on a service.
    on_services: BTreeMap<(BlockServiceId, InodeId), u64>,
    violations: Vec<Violation>,
}

impl<'a> Audit<'a> {
    fn read(shard: ShardId, store: &'a dyn StoreRead) -> Result<Self, Fault> {
        let read = Reader::new(shard, store);
        let mut audit = Self {
            read,
            inodes: BTreeMap::new(),
            blocks: BTreeMap::new(),
            on_services: BTreeMap::new(),
            violations: Vec::new(),
        };
        let root = InodeId::ROOT;
        if shard == root.shard()
            && let Some(record) = read.inode(root)?
        {
            audit.inodes.insert(root, record);
        }
        let mut inodes = Vec::new();
        audit.each(keys::INODES, |key, record: InodeRecord| {
            inodes.push((keys::parse_inode(key)?, record));
            Ok(())
        })?;
        for (id, record) in inodes {
            if id.shard() != shard {
                audit.violations.push(Violation::WrongShard { inode: id });
            }
            audit.inodes.insert(id, record);
        }
        Ok(audit)
    }

    fn each<T: Stored>(
        &self,
        table: Table,
        mut visitor: impl FnMut(&[u8], T) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        visit(
            self.read.store,
            &Range::from(table, Vec::new()),
            |key, value| {
                visitor(key, from_bytes(value)?)?;
                Ok(ControlFlow::Continue(()))
            },
        )
    }

    fn violate(&mut self, violation: Violation) {
        self.violations.push(violation);
    }

    /// Notes that a block is in a file, or in the garbage.
    fn found(&mut self, block: BlockId, file: Option<InodeId>) {
        if self.blocks.insert(block, file).is_some() {
            self.violate(Violation::BlockTwice { block });
        }
    }

    fn check_garbage(&mut self) -> Result<(), Fault> {
        let mut found = Vec::new();
        self.each(keys::GARBAGE, |key, record: GarbageRecord| {
            found.push((keys::parse_garbage(key)?, record.facts.block));
            Ok(())
        })?;
        for (key, block) in found {
            self.found(key, None);
            if key != block {
                self.violate(Violation::MisfiledGarbage { block });
            }
        }
        Ok(())
    }

    fn check_indexes(&mut self) -> Result<(), Fault> {
        let mut kept = BTreeMap::new();
        self.each(keys::SERVICE_FILES, |key, count: BlockCount| {
            kept.insert(keys::parse_service_file(key)?, count.0);
            Ok(())
        })?;
        if kept != self.on_services {
            self.violate(Violation::ServiceIndex);
        }
        let mut kept: Vec<(Time, InodeId)> = Vec::new();
        let all = Range::from(keys::TRANSIENTS, Vec::new());
        visit(self.read.store, &all, |key, _| {
            kept.push(keys::parse_transient(key)?);
            Ok::<_, Fault>(ControlFlow::Continue(()))
        })?;
        let deadline = |(id, record): (&InodeId, &InodeRecord)| match record {
            InodeRecord::File(file) => file.deadline().map(|deadline| (deadline, *id)),
            InodeRecord::Directory(_) => None,
        };
        let mut counted: Vec<_> = self.inodes.iter().filter_map(deadline).collect();
        counted.sort_unstable();
        if kept != counted {
            self.violate(Violation::TransientIndex);
        }
        Ok(())
    }

    fn check_counters(&mut self) -> Result<(), Fault> {
        let kept = self.read.counters()?;
        let mut counted = Counters {
            next_inode: kept.next_inode,
            next_block: kept.next_block,
            now: kept.now,
            ..Counters::default()
        };
        for record in self.inodes.values() {
            add(&mut counted, record);
        }
        let garbage = self.blocks.values().filter(|file| file.is_none());
        counted.garbage_blocks = garbage.count() as u64;
        if kept != counted {
            self.violate(Violation::Counters {
                kept: Box::new(kept),
                counted: Box::new(counted),
            });
        }
        let files = self.inodes.keys().filter(|id| !id.is_directory());
        let inode_ahead = files.map(|id| id.counter()).max() >= Some(kept.next_inode);
        let block_ahead =
            self.blocks.keys().map(|block| block.0 >> 8).max() >= Some(kept.next_block);
        if inode_ahead || block_ahead {
            self.violate(Violation::NumberReused);
        }
        Ok(())
    }
}
