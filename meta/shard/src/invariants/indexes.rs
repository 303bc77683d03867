//! Entries of indexes that should not be there, and the garbage.

use std::ops::ControlFlow;

use eggs_machine::{Fault, from_bytes};
use eggs_proto::audit::{Finding, FindingCode, RepairStep, ShardRepair};
use eggs_proto::{BlockServiceId, InodeId};

use super::cursor::At;
use super::walk::Walk;
use crate::keys;
use crate::records::{BlockCount, ExtentRecord, GarbageRecord, InodeRecord};
use crate::state::{Range, Reader, visit};

/// Most extents that are looked at to find one with blocks on a service.
const EXTENTS_MAX: usize = 1 << 16;

impl Walk<'_> {
    pub(super) fn deadlines(&mut self, from: Vec<u8>) -> Result<At, Fault> {
        let rest = self.scan(&Range::from(keys::TRANSIENTS, from), |walk, key, _| {
            let (deadline, file) = keys::parse_transient(key)?;
            walk.spend(0);
            let known = match walk.read.inode(file)? {
                Some(InodeRecord::File(record)) => record.deadline(),
                Some(InodeRecord::Directory(_)) | None => None,
            };
            if known != Some(deadline) {
                let detail = format!("the index says {deadline}");
                let repair = RepairStep::Shard(ShardRepair::DeadlineIndex { deadline, file });
                let finding = Finding::new(FindingCode::DeadlineIndex, detail);
                walk.find(finding.of_inode(file).repaired_by(repair));
            }
            Ok(())
        })?;
        Ok(match rest {
            Some(from) => At::Deadlines { from },
            None => At::Garbage { from: Vec::new() },
        })
    }

    pub(super) fn garbage(&mut self, from: Vec<u8>) -> Result<At, Fault> {
        let rest = self.scan(&Range::from(keys::GARBAGE, from), |walk, key, value| {
            let block = keys::parse_garbage(key)?;
            let record: GarbageRecord = from_bytes(value)?;
            walk.spend(0);
            walk.sums.garbage_blocks += 1;
            let after = (block.0 >> 8).saturating_add(1);
            walk.sums.next_block = walk.sums.next_block.max(after);
            if record.facts.block != block {
                let detail = format!("it is {}", record.facts.block);
                let finding = Finding::new(FindingCode::GarbageMisfiled, detail);
                walk.find(finding.of_block(block));
            }
            Ok(())
        })?;
        Ok(match rest {
            Some(from) => At::Garbage { from },
            None => At::Services { from: Vec::new() },
        })
    }

    /// Entries of files that have blocks on the service were compared with the files; here are the others.
    pub(super) fn services(&mut self, from: Vec<u8>) -> Result<At, Fault> {
        let rest = self.scan(
            &Range::from(keys::SERVICE_FILES, from),
            |walk, key, value| {
                let (service, file) = keys::parse_service_file(key)?;
                let kept: BlockCount = from_bytes(value)?;
                walk.spend(0);
                if !has_block_on(walk.read, file, service)? {
                    walk.find_service_index((service, file), kept.0, 0);
                }
                Ok(())
            },
        )?;
        Ok(match rest {
            Some(from) => At::Services { from },
            None => At::End,
        })
    }
}

/// Whether a file has blocks on a service, as far as its first extents tell; believed of the rest.
fn has_block_on(read: Reader<'_>, file: InodeId, service: BlockServiceId) -> Result<bool, Fault> {
    let prefix = keys::inode(file);
    let (mut found, mut looked) = (false, 0);
    let range = Range::prefix(keys::EXTENTS, &prefix, prefix.to_vec());
    visit(read.store, &range, |_, value| {
        let record: ExtentRecord = from_bytes(value)?;
        looked += 1;
        found =
            looked > EXTENTS_MAX || crate::state::services(&record.extent).any(|s| s == service);
        Ok::<_, Fault>(if found {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    Ok(found)
}
