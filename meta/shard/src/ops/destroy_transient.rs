//! Destroys an expired transient file: a bounded number of extents per request, from the end, so that what
//! is left is contiguous at every step; at last the inode. Fine if it is gone.

use eggs_machine::bugs::{Bug, planted};
use eggs_proto::shard::ShardReply;
use eggs_proto::{InodeId, Refusal};

use crate::records::{Content, FileRecord, Life};
use crate::state::State;
use crate::step::{Reply, Step, Stop};

/// Most extents per request.
const EXTENTS_MAX: usize = 64;

pub(crate) fn apply(state: &mut State<'_>, id: InodeId) -> Reply {
    let mut file = match state.read().file(id) {
        Err(Stop::Refused(Refusal::NotFound)) => {
            return Ok(ShardReply::Progress { finished: true });
        }
        other => other?,
    };
    let Life::Transient(transient) = &mut file.life else {
        return Err(Refusal::NotTransient.into());
    };
    if state.now < transient.deadline && !planted(Bug::DestroyWithoutDeadline) {
        return Err(Refusal::Changed.into()); // it was kept alive after the caller looked
    }
    transient.cookie = None;
    let finished = destroy_tail(state, id, &mut file)?;
    if finished {
        state.remove_inode(id)?;
    } else {
        state.put_file(id, file)?;
    }
    Ok(ShardReply::Progress { finished })
}

/// Says whether nothing is left.
fn destroy_tail(state: &mut State<'_>, id: InodeId, file: &mut FileRecord) -> Step<bool> {
    let tail = state.read().extents_until(id, u64::MAX, EXTENTS_MAX)?;
    let mut left = file.size();
    let mut left_on_disks = file.physical_bytes();
    let mut left_pending = 0;
    for record in &tail {
        state.discard_extent(record)?;
        state.remove_extent(id, record.extent.offset)?;
        left = record.extent.offset;
        left_on_disks = left_on_disks.saturating_sub(record.extent.physical_bytes());
        left_pending += u32::from(!record.extent.is_certified());
    }
    if let Life::Transient(transient) = &mut file.life {
        transient.pending_extents = transient.pending_extents.saturating_sub(left_pending);
    }
    if let Content::Extents {
        size,
        physical_bytes,
    } = &mut file.content
    {
        *size = left;
        *physical_bytes = left_on_disks;
    }
    Ok(tail.len() < EXTENTS_MAX)
}

#[cfg(test)]
mod tests {
    use eggs_proto::shard::ShardChange;

    use super::*;
    use crate::testing::{Bench, EXTENT_SIZE, proofs};

    #[test]
    fn all_blocks_go_to_the_garbage_a_bounded_number_at_a_time() {
        let mut bench = Bench::new();
        let (file, cookie) = bench.create_transient();
        let mut blocks = 0;
        for n in 0..130 {
            let placed = bench.add_extent((file, cookie), n * EXTENT_SIZE).unwrap();
            if n % 2 == 0 {
                let proofs = proofs(&placed, 6);
                bench
                    .certify((file, cookie), n * EXTENT_SIZE, proofs)
                    .unwrap();
            }
            blocks += placed.len() as u64;
        }
        bench.change(ShardChange::Scrap { file, cookie }).unwrap();
        assert_eq!(bench.destroy(file), Ok(3));
        let usage = bench.usage();
        assert_eq!(usage.garbage_blocks, blocks);
        assert_eq!((usage.bytes, usage.physical_bytes), (0, 0));
        assert_eq!(bench.destroy(file), Ok(1));
    }

    #[test]
    fn a_linked_file_is_never_destroyed() {
        let mut bench = Bench::new();
        let file = bench.create_file("a");
        assert_eq!(bench.destroy(file), Err(Refusal::NotTransient));
    }
}
