//! What a file counts, and what indexes say of it.

use std::ops::ControlFlow;

use eggs_proto::{BlockServiceId, InodeId, Refusal};

use super::look;
use crate::keys;
use crate::records::{Content, ExtentRecord, Life};
use crate::state::{Range, State, visit};
use crate::step::{Step, Stop};
use eggs_machine::from_bytes;

/// What the extents of a file add up to.
#[derive(Default)]
struct Sum {
    physical_bytes: u64,
    pending: u32,
    blocks_on: u64,
}

pub(super) fn count(state: &mut State<'_>, file: InodeId) -> Step<()> {
    let mut record = state.read().file(file)?;
    let sum = sum(state, file, None)?;
    if let Content::Extents { physical_bytes, .. } = &mut record.content {
        *physical_bytes = sum.physical_bytes;
    }
    if let Life::Transient(transient) = &mut record.life {
        transient.pending_extents = sum.pending;
    }
    let deadline = record.deadline();
    state.put_file(file, record)?;
    match deadline {
        Some(deadline) => Ok(state.rewrite_deadline(deadline, file)?),
        None => Ok(()),
    }
}

pub(super) fn rewrite_service(
    state: &mut State<'_>,
    file: InodeId,
    service: BlockServiceId,
) -> Step<()> {
    if file.is_directory() {
        return Err(Refusal::IsDirectory.into());
    }
    let blocks = sum(state, file, Some(service))?.blocks_on;
    state.set_service_index(service, file, blocks);
    Ok(())
}

/// Adds up the extents of a file; also counts its blocks on a service.
fn sum(state: &State<'_>, file: InodeId, service: Option<BlockServiceId>) -> Step<Sum> {
    let prefix = keys::inode(file);
    let (mut looked, mut sum) = (0, Sum::default());
    let range = Range::prefix(keys::EXTENTS, &prefix, prefix.to_vec());
    visit(state.read().store, &range, |_, value| {
        look(&mut looked)?;
        let ExtentRecord { extent, .. } = from_bytes(value)?;
        sum.physical_bytes = sum.physical_bytes.saturating_add(extent.physical_bytes());
        sum.pending = sum
            .pending
            .saturating_add(u32::from(!extent.is_certified()));
        let on_service = crate::state::services(&extent).filter(|on| Some(*on) == service);
        sum.blocks_on += on_service.count() as u64;
        Ok::<_, Stop>(ControlFlow::Continue(()))
    })?;
    Ok(sum)
}
