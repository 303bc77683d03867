//! Writing a block: certified, verified, durable, then proved.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use eggs_proto::block::BlockRefusal;
use eggs_proto::{BlockFacts, BlockId, CERTIFICATE_MS, CLOCK_SKEW_MS_MAX, MacTag, Statement, Time};

use crate::fill::{Way, fill};
use crate::format::{file_bytes, is_block_size, trailer};
use crate::{BlockSummary, Disk, StoreError};

/// Permission to write a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteOrder {
    /// What is to be stored.
    pub facts: BlockFacts,
    /// Until when the certificate is good.
    pub expiry: Time,
    /// Permission.
    pub certificate: MacTag,
}

/// A file that goes away unless it is published.
struct Temporary {
    path: PathBuf,
    published: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.published {
            let _ = fs::remove_file(&self.path); // else cleared at the next open
        }
    }
}

impl Disk {
    /// Stores a block durably and proves it. A block that is there already is proved again; one that is
    /// there but damaged is replaced.
    pub fn write(
        &self,
        order: &WriteOrder,
        payload: &[u8],
        now: Time,
    ) -> Result<MacTag, StoreError> {
        let facts = &order.facts;
        self.admit_write(order, payload, now)?;
        let (trailer, checksum) = trailer(facts.block, payload);
        if checksum != facts.checksum {
            return Err(BlockRefusal::BadPayload.into());
        }
        self.refuse_if_fenced()?;
        if self.is_stored(facts)? {
            // Whoever wrote it may have been interrupted before its name was durable.
            self.sync_slot(facts.block)?;
        } else {
            let length = file_bytes(facts.size);
            let _room = self.take_room(length)?;
            let mut temporary = self.write_temporary(facts.block, payload, &trailer)?;
            self.publish(facts.block, &mut temporary, length)?;
            self.sync_slot(facts.block)?;
        }
        self.refuse_if_fenced()?;
        Ok(self.label.key.sign(Statement::Written, facts))
    }

    /// Checks everything that needs neither the disk nor all of the payload.
    fn admit_write(&self, order: &WriteOrder, payload: &[u8], now: Time) -> Result<(), StoreError> {
        let facts = &order.facts;
        if facts.service != self.label.service {
            return Err(BlockRefusal::WrongService.into());
        }
        let statement = Statement::MayWrite(order.expiry);
        if !self.label.key.verify(statement, facts, &order.certificate) {
            return Err(BlockRefusal::BadCertificate.into());
        }
        let latest = now.plus_ms(CERTIFICATE_MS + CLOCK_SKEW_MS_MAX);
        if now > order.expiry || order.expiry > latest {
            return Err(BlockRefusal::Expired.into());
        }
        if self.tombstones.contains(facts.block) {
            return Err(BlockRefusal::WasErased.into());
        }
        if !is_block_size(facts.size) || payload.len() as u64 != facts.size {
            return Err(BlockRefusal::BadPayload.into());
        }
        Ok(())
    }

    /// Whether the very same block is there and whole.
    fn is_stored(&self, facts: &BlockFacts) -> Result<bool, StoreError> {
        let certified = BlockSummary {
            size: facts.size,
            checksum: facts.checksum,
        };
        match self.check(facts.block) {
            Ok(found) if found == certified => Ok(true),
            // A shard names a block once: two contents mean that something is badly wrong.
            Ok(_) => Err(BlockRefusal::BadPayload.into()),
            Err(StoreError::Refused(BlockRefusal::NotFound | BlockRefusal::Damaged)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes the whole file under a temporary name and makes its content durable.
    fn write_temporary(
        &self,
        block: BlockId,
        payload: &[u8],
        trailer: &[u8],
    ) -> Result<Temporary, StoreError> {
        let number = self.temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = Temporary {
            path: self.paths.tmp.join(format!("{block}.{number}")),
            published: false,
        };
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary.path)
            .map_err(|error| self.write_failed(error))?;
        let way = Way::of(payload, self.options.direct_bytes_min);
        fill(&file, payload, trailer, way).map_err(|error| self.write_failed(error))?;
        file.sync_data()
            .map_err(|error| self.fence("sync a block file", error))?;
        Ok(temporary)
    }

    /// Gives a complete file its final name.
    fn publish(
        &self,
        block: BlockId,
        temporary: &mut Temporary,
        length: u64,
    ) -> Result<(), StoreError> {
        let slot = self.slot(block);
        let path = self.paths.block(block);
        let _names = slot.names.lock().unwrap_or_else(PoisonError::into_inner);
        // Asked again with the lock held: the block may have been erased meanwhile.
        if self.tombstones.contains(block) {
            return Err(BlockRefusal::WasErased.into());
        }
        let replaced = fs::metadata(&path).ok().map(|found| found.len());
        fs::rename(&temporary.path, &path).map_err(|error| self.write_failed(error))?;
        temporary.published = true;
        if let Some(replaced) = replaced {
            self.open.forget(block);
            self.counters.removed(replaced);
        }
        self.counters.added(length);
        Ok(())
    }

    /// Makes the name of a block, or its absence, durable.
    pub(crate) fn sync_slot(&self, block: BlockId) -> Result<(), StoreError> {
        self.slot(block)
            .sync
            .sync()
            .map_err(|error| self.fence("sync a directory of blocks", error))
    }

    /// A full disk is a refusal; nothing was promised yet, so no fence for that.
    fn write_failed(&self, error: io::Error) -> StoreError {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                BlockRefusal::NoSpace.into()
            }
            _ => self.failed_change("write a block file", error),
        }
    }
}
