//! Reports of damage: the block is looked at when its disk has time, and what is damaged is told to whoever heals.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use eggs_block_store::{Disk, StoreError};
use eggs_proto::block::{BlockRefusal, BlockReply, DamagedBlock};
use eggs_proto::{BlockId, BlockServiceId, LIST_ENTRIES_MAX};

use crate::damage::{Finding, Heard, Place};
use crate::pool::Work;
use crate::{BlockMetrics, ServedDisks};

/// Takes note of a report. Nobody waits for the look at the block.
pub(crate) fn hear(
    disks: &ServedDisks,
    metrics: &BlockMetrics,
    (service, block): (BlockServiceId, BlockId),
    place: Place,
) -> Result<BlockReply, BlockRefusal> {
    let served = disks.get(service).ok_or(BlockRefusal::WrongService)?;
    let count = |what| {
        let label = [("result", what)];
        metrics.reports.get_or_create(&label).inc();
    };
    let looking = match served.damage.hear(block, place, Instant::now()) {
        Heard::Known => {
            count("known");
            return Ok(BlockReply::Noted);
        }
        Heard::TooMany => {
            count("refused");
            return Err(BlockRefusal::Overloaded);
        }
        Heard::Look(looking) => looking,
    };
    let (disk, results) = (served.clone(), metrics.reports.clone());
    served.pool.submit(Work::Scrub, move || {
        let finding = look(&disk.disk, looking.block());
        let label = [("result", name(finding))];
        results.get_or_create(&label).inc();
        if finding == Finding::Damaged {
            tracing::warn!(%service, %block, "a block that a reader reported is damaged");
        }
        looking.found(finding, Instant::now());
    })?;
    Ok(BlockReply::Noted)
}

fn look(disk: &Disk, block: BlockId) -> Finding {
    match disk.check(block) {
        Ok(_) => Finding::Whole,
        Err(StoreError::Io { .. } | StoreError::Fenced) => Finding::Unknown,
        Err(StoreError::Refused(refusal)) => match refusal {
            BlockRefusal::NotFound
            | BlockRefusal::WasErased
            | BlockRefusal::Damaged
            | BlockRefusal::Unreadable => Finding::Damaged,
            BlockRefusal::WrongService
            | BlockRefusal::BadCertificate
            | BlockRefusal::Expired
            | BlockRefusal::BadPayload
            | BlockRefusal::BadRange
            | BlockRefusal::NoSpace
            | BlockRefusal::DiskFailed(_)
            | BlockRefusal::Overloaded
            | BlockRefusal::Forbidden
            | BlockRefusal::Malformed => Finding::Unknown,
        },
    }
}

const fn name(finding: Finding) -> &'static str {
    match finding {
        Finding::Whole => "whole",
        Finding::Damaged => "found",
        Finding::Unknown => "unknown",
    }
}

/// What is damaged on all disks, beginning with another disk each time, because an answer has an end.
pub(crate) fn damaged(disks: &ServedDisks, turn: &AtomicUsize) -> BlockReply {
    let mut in_turn: Vec<_> = disks.all().collect();
    let first = turn.fetch_add(1, Ordering::Relaxed) % in_turn.len().max(1);
    in_turn.rotate_left(first);
    let now = Instant::now();
    let blocks = in_turn.into_iter().flat_map(|served| {
        let service = served.disk.service();
        let all = served.damage.all(now).into_iter();
        all.map(move |(block, (file, offset))| DamagedBlock {
            service,
            block,
            file,
            offset,
        })
    });
    BlockReply::Damaged {
        blocks: blocks.take(LIST_ENTRIES_MAX as usize).collect(),
    }
}
