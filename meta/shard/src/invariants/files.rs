//! Files and their extents.

use std::collections::{BTreeMap, BTreeSet};

use eggs_machine::Fault;
use eggs_proto::{BlockServiceId, BlockState, Extent, ExtentBody, INLINE_BYTES_MAX, InodeId};

use super::{Audit, Violation};
use crate::keys;
use crate::records::{Content, ExtentRecord, InodeRecord, Life};

/// What the extents of a file add up to.
#[derive(Clone, Copy, Default)]
struct Sum {
    end: u64,
    physical_bytes: u64,
    pending: u32,
}

pub(super) fn check(audit: &mut Audit<'_>) -> Result<(), Fault> {
    let mut extents = Vec::new();
    audit.each(keys::EXTENTS, |key, record: ExtentRecord| {
        extents.push((keys::parse_extent(key)?, record.extent));
        Ok(())
    })?;
    let mut sums: BTreeMap<InodeId, Sum> = BTreeMap::new();
    for ((file, offset), extent) in &extents {
        let file = *file;
        let sum = sums.entry(file).or_default();
        if *offset != sum.end || extent.offset != *offset {
            audit.violate(Violation::Gap {
                file,
                offset: *offset,
            });
        }
        sum.end = extent.end();
        sum.physical_bytes = sum.physical_bytes.saturating_add(extent.physical_bytes());
        sum.pending += u32::from(!extent.is_certified());
        check_body(audit, file, extent);
    }
    for file in sums.keys() {
        if !matches!(audit.inodes.get(file), Some(InodeRecord::File(_))) {
            audit.violate(Violation::ExtentWithoutFile { file: *file });
        }
    }
    check_sums(audit, &sums);
    Ok(())
}

fn check_body(audit: &mut Audit<'_>, file: InodeId, extent: &Extent) {
    let offset = extent.offset;
    let well_formed = match &extent.body {
        ExtentBody::Hole => extent.size > 0,
        ExtentBody::Inline(content) => {
            content.len() as u64 == extent.size && (1..=INLINE_BYTES_MAX).contains(&content.len())
        }
        ExtentBody::Blocks { layout, blocks, .. } => {
            let mut services: BTreeSet<BlockServiceId> = BTreeSet::new();
            let mut present = 0;
            for block in blocks.iter().filter(|b| b.state != BlockState::Missing) {
                present += 1;
                services.insert(block.service);
                *audit.on_services.entry((block.service, file)).or_default() += 1;
                audit.found(block.block, Some(file));
            }
            layout.fits(extent.size)
                && blocks.len() == layout.scheme.blocks()
                && services.len() == present
                && present >= layout.scheme.blocks_min()
        }
    };
    if !well_formed {
        audit.violate(Violation::MalformedExtent { file, offset });
    }
}

fn check_sums(audit: &mut Audit<'_>, sums: &BTreeMap<InodeId, Sum>) {
    let mut violations = Vec::new();
    for (id, record) in &audit.inodes {
        let InodeRecord::File(file) = record else {
            continue;
        };
        let (id, sum) = (*id, sums.get(id).copied().unwrap_or_default());
        if let Content::Extents {
            size,
            physical_bytes,
        } = file.content
        {
            if sum.end != size {
                let offset = sum.end;
                violations.push(Violation::Gap { file: id, offset });
            }
            if sum.physical_bytes != physical_bytes {
                violations.push(Violation::FileCounts { file: id });
            }
        }
        match &file.life {
            Life::Transient(transient) if transient.pending_extents != sum.pending => {
                violations.push(Violation::FileCounts { file: id });
            }
            Life::Linked { .. } if sum.pending > 0 => {
                violations.push(Violation::LinkedUncertified { file: id });
            }
            Life::Transient(_) | Life::Linked { .. } => {}
        }
    }
    audit.violations.append(&mut violations);
}
