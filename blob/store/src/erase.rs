//! Erasing a block, so that it cannot come back.

use std::fs;
use std::io;
use std::sync::PoisonError;

use eggs_proto::block::BlockRefusal;
use eggs_proto::{BlockFacts, BlockId, MacTag, Statement, Time};

use crate::tombstones::Buried;
use crate::{Disk, StoreError};

/// Permission to erase a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EraseOrder {
    /// The block, as it was certified to be written.
    pub facts: BlockFacts,
    /// When the last certificate to write it expires.
    pub write_expiry: Time,
    /// Permission.
    pub certificate: MacTag,
}

impl Disk {
    /// Erases a block and proves it. Fine if it is gone, was never written, or is damaged. Needs no space but
    /// that of a tombstone, which comes out of the reserve.
    pub fn erase(&self, order: &EraseOrder, now: Time) -> Result<MacTag, StoreError> {
        let facts = &order.facts;
        if facts.service != self.label.service {
            return Err(BlockRefusal::WrongService.into());
        }
        let statement = Statement::MayErase(order.write_expiry);
        if !self.label.key.verify(statement, facts, &order.certificate) {
            return Err(BlockRefusal::BadCertificate.into());
        }
        self.refuse_if_fenced()?;
        // The tombstone first: a crash in between must not leave an erased block without one.
        let buried = self
            .tombstones
            .bury(&self.paths, facts.block, order.write_expiry, now)
            .map_err(|error| self.failed_change("make a tombstone", error))?;
        match buried {
            Buried::OnDisk => self
                .gone_sync
                .sync()
                .map_err(|error| self.fence("sync the directory of tombstones", error))?,
            Buried::InMemory => {}
        }
        self.remove(facts.block)?;
        // Also when it was gone: an earlier removal may not be durable yet.
        self.sync_slot(facts.block)?;
        self.refuse_if_fenced()?;
        Ok(self.label.key.sign(Statement::Erased, facts))
    }

    fn remove(&self, block: BlockId) -> Result<(), StoreError> {
        let path = self.paths.block(block);
        let slot = self.slot(block);
        let _names = slot.names.lock().unwrap_or_else(PoisonError::into_inner);
        let length = fs::metadata(&path).map(|found| found.len());
        match length.and_then(|length| fs::remove_file(&path).map(|()| length)) {
            Ok(length) => {
                self.open.forget(block);
                self.counters.removed(length);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.failed_change("remove a block file", error)),
        }
    }
}
