//! What the extents of a file add up to, or how many of its blocks are on one service.

use std::ops::ControlFlow;

use eggs_machine::{Fault, from_bytes};
use eggs_proto::{BlockServiceId, InodeId};
use serde::{Deserialize, Serialize};

use super::{Recount, Weight};
use crate::keys;
use crate::records::{Content, ExtentRecord, InodeRecord, Life};
use crate::state::{Range, State, services, visit};

/// A count under way. Stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecount {
    file: InodeId,
    /// The service whose entry of the index is rewritten; `None` for what the file itself counts.
    service: Option<BlockServiceId>,
    /// Where the last extent that was counted begins.
    after: Option<u64>,
    physical_bytes: u64,
    pending: u32,
    /// On the service.
    blocks: u64,
}

impl FileRecount {
    pub(super) const fn file(&self) -> InodeId {
        self.file
    }

    fn count(&mut self, record: &ExtentRecord, weight: Weight) {
        let extent = &record.extent;
        let sum = |sum: u64, part: u64| match weight {
            Weight::More => sum.wrapping_add(part),
            Weight::Less => sum.wrapping_sub(part),
        };
        self.physical_bytes = sum(self.physical_bytes, extent.physical_bytes());
        let on_service = services(extent).filter(|on| Some(*on) == self.service);
        self.blocks = sum(self.blocks, on_service.count() as u64);
        if !extent.is_certified() {
            let sign = i32::from(weight == Weight::More) * 2 - 1;
            self.pending = self.pending.wrapping_add_signed(sign);
        }
    }
}

impl State<'_> {
    /// Begins at the beginning.
    pub(crate) fn begin_recount_of_file(&mut self, file: InodeId, service: Option<BlockServiceId>) {
        self.recount = Some(Recount::File(FileRecount {
            file,
            service,
            after: None,
            physical_bytes: 0,
            pending: 0,
            blocks: 0,
        }));
    }

    /// An extent of a file changes.
    pub(in crate::state) fn recount_extent(
        &mut self,
        file: InodeId,
        old: Option<&ExtentRecord>,
        new: Option<&ExtentRecord>,
    ) {
        let Some(Recount::File(recount)) = &mut self.recount else {
            return;
        };
        for (record, weight) in [(old, Weight::Less), (new, Weight::More)] {
            if let Some(record) = record
                && recount.file == file
                && recount
                    .after
                    .is_some_and(|last| record.extent.offset <= last)
            {
                recount.count(record, weight);
            }
        }
    }

    pub(super) fn go_on_with_file(
        &mut self,
        recount: &mut FileRecount,
        records: usize,
    ) -> Result<bool, Fault> {
        let prefix = keys::inode(recount.file);
        let from = match recount.after {
            None => prefix.to_vec(),
            Some(last) => keys::after(&keys::extent(recount.file, last)),
        };
        let (mut left, mut more) = (records, false);
        let range = Range::prefix(keys::EXTENTS, &prefix, from);
        visit(self.store, &range, |key, value| {
            if left == 0 {
                more = true;
                return Ok::<_, Fault>(ControlFlow::Break(()));
            }
            left -= 1;
            let (_, offset) = keys::parse_extent(key)?;
            recount.count(&from_bytes(value)?, Weight::More);
            recount.after = Some(offset);
            Ok(ControlFlow::Continue(()))
        })?;
        if !more {
            self.finish_file(recount)?;
        }
        Ok(!more)
    }

    fn finish_file(&mut self, recount: &FileRecount) -> Result<(), Fault> {
        let file = recount.file;
        if let Some(service) = recount.service {
            self.set_service_index(service, file, recount.blocks);
            return Ok(());
        }
        let mut record = match self.read().inode(file)? {
            Some(InodeRecord::File(record)) => record,
            Some(InodeRecord::Directory(_)) | None => return Ok(()), // it has gone meanwhile
        };
        if let Content::Extents { physical_bytes, .. } = &mut record.content {
            *physical_bytes = recount.physical_bytes;
        }
        if let Life::Transient(transient) = &mut record.life {
            transient.pending_extents = recount.pending;
        }
        let deadline = record.deadline();
        self.put_file(file, record)?;
        match deadline {
            Some(deadline) => self.rewrite_deadline(deadline, file),
            None => Ok(()),
        }
    }
}
