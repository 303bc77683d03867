//! Extents, and with them the index from block services to files.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use eggs_machine::{Fault, ScanDirection, from_bytes};
use eggs_proto::{BlockServiceId, Extent, ExtentBlock, ExtentBody, InodeId};

use super::{Range, Reader, State, visit};
use crate::keys;
use crate::records::{BlockCount, ExtentRecord};

impl Reader<'_> {
    /// The extent that begins at an offset.
    pub(crate) fn extent(self, file: InodeId, offset: u64) -> Result<Option<ExtentRecord>, Fault> {
        self.get(keys::EXTENTS, &keys::extent(file, offset))
    }

    /// Up to `count` extents that begin at or before an offset, the last one first.
    pub(crate) fn extents_until(
        self,
        file: InodeId,
        offset: u64,
        count: usize,
    ) -> Result<Vec<ExtentRecord>, Fault> {
        let range = Range {
            table: keys::EXTENTS,
            from: keys::extent(file, 0).to_vec(),
            until: Some(keys::after(&keys::extent(file, offset))),
            direction: ScanDirection::Backward,
        };
        let mut found = Vec::new();
        visit(self.store, &range, |_, value| {
            if found.len() == count {
                return Ok::<_, Fault>(ControlFlow::Break(()));
            }
            found.push(from_bytes(value)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }
}

impl State<'_> {
    /// Writes an extent.
    pub(crate) fn put_extent(&mut self, file: InodeId, record: &ExtentRecord) -> Result<(), Fault> {
        let old = self.read().extent(file, record.extent.offset)?;
        self.put_extent_over(file, old.as_ref(), record)
    }

    /// Writes an extent at the end of a file, where there is none yet, so that nobody has to look.
    pub(crate) fn put_fresh_extent(
        &mut self,
        file: InodeId,
        record: &ExtentRecord,
    ) -> Result<(), Fault> {
        if cfg!(any(test, debug_assertions)) {
            let old = self.read().extent(file, record.extent.offset);
            assert!(matches!(old, Ok(None)), "an extent of {file} is known");
        }
        self.put_extent_over(file, None, record)
    }

    fn put_extent_over(
        &mut self,
        file: InodeId,
        old: Option<&ExtentRecord>,
        record: &ExtentRecord,
    ) -> Result<(), Fault> {
        self.index(file, old, Some(record))?;
        self.recount_extent(file, old, Some(record));
        self.put(
            keys::EXTENTS,
            &keys::extent(file, record.extent.offset),
            record,
        );
        Ok(())
    }

    /// Removes an extent.
    pub(crate) fn remove_extent(&mut self, file: InodeId, offset: u64) -> Result<(), Fault> {
        let old = self.read().extent(file, offset)?;
        self.index(file, old.as_ref(), None)?;
        self.recount_extent(file, old.as_ref(), None);
        self.store
            .delete(keys::EXTENTS, &keys::extent(file, offset));
        Ok(())
    }

    fn index(
        &mut self,
        file: InodeId,
        old: Option<&ExtentRecord>,
        new: Option<&ExtentRecord>,
    ) -> Result<(), Fault> {
        let mut difference: BTreeMap<BlockServiceId, i64> = BTreeMap::new();
        for (record, weight) in [(old, -1), (new, 1)] {
            for service in record.iter().flat_map(|record| services(&record.extent)) {
                *difference.entry(service).or_default() += weight;
            }
        }
        for (service, change) in difference {
            if change == 0 {
                continue;
            }
            let key = keys::service_file(service, file);
            let before: Option<BlockCount> = self.read().get(keys::SERVICE_FILES, &key)?;
            let before = before.map_or(0, |count| count.0);
            let count = match before.checked_add_signed(change) {
                Some(count) => count,
                // Files from before missing blocks were indexed.
                None if service == BlockServiceId::NOWHERE => 0,
                None => {
                    return Err(Fault::Damaged(format!(
                        "service {service} has fewer blocks of {file} than that"
                    )));
                }
            };
            if count == 0 {
                self.store.delete(keys::SERVICE_FILES, &key);
            } else {
                self.put(keys::SERVICE_FILES, &key, &BlockCount(count));
            }
        }
        Ok(())
    }
}

/// Where the blocks of an extent are, or may be; [`BlockServiceId::NOWHERE`] for each that is missing.
pub(crate) fn services(extent: &Extent) -> impl Iterator<Item = BlockServiceId> {
    let blocks = match &extent.body {
        ExtentBody::Blocks { blocks, .. } => blocks.as_slice(),
        ExtentBody::Inline(_) | ExtentBody::Hole => &[],
    };
    blocks.iter().map(ExtentBlock::whereabouts)
}
