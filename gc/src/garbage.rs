//! Erases garbage at the block services and shows the proofs to the shard.

use std::cell::RefCell;
use std::collections::BTreeSet;

use eggs_client::ClientError;
use eggs_proto::shard::{ErasedBlock, GarbageBlock, ShardChange, ShardQuery, ShardReply};
use eggs_proto::{BlockServiceId, ShardId};
use futures::{StreamExt, stream};

use crate::cluster::{Cluster, Erasure};
use crate::pass::nonsense;
use crate::planning::ShardMemory;
use crate::tally::Tally;

/// Blocks per query, and proofs per change.
const PAGE: u32 = 512;
/// Queries per shard and pass.
const PAGES_MAX: u32 = 32;
/// Blocks of one shard being erased at a time.
const PARALLEL: usize = 32;

/// Services that did not answer in this pass.
#[derive(Debug, Default)]
pub(crate) struct Down(RefCell<BTreeSet<BlockServiceId>>);

/// Erases garbage from where the last pass ended. What cannot be erased is passed over, so that a dead disk
/// does not keep the garbage of others.
pub(crate) async fn erase(
    cluster: &impl Cluster,
    down: &Down,
    shard: ShardId,
    memory: &mut ShardMemory,
    tally: &mut Tally,
) -> Result<(), ClientError> {
    for _ in 0..PAGES_MAX {
        let query = ShardQuery::VisitGarbage {
            after: memory.garbage_after,
            limit: PAGE,
        };
        let ShardReply::Garbage { blocks, more } = cluster.query(shard, query).await? else {
            return Err(nonsense(shard));
        };
        let last = blocks.last().map(|block| block.facts.block);
        let (erased, bytes) = erase_page(cluster, down, &blocks, tally).await;
        if !erased.is_empty() {
            let count = erased.len() as u64;
            let change = ShardChange::GarbageErased { erased };
            match cluster.change(shard, change).await? {
                ShardReply::Done => {}
                _ => return Err(nonsense(shard)),
            }
            tally.blocks += count;
            tally.bytes += bytes;
        }
        memory.garbage_after = last.filter(|_| more);
        if memory.garbage_after.is_none() {
            break;
        }
    }
    Ok(())
}

/// Gives the proofs, and the bytes of the blocks they are for.
async fn erase_page(
    cluster: &impl Cluster,
    down: &Down,
    blocks: &[GarbageBlock],
    tally: &mut Tally,
) -> (Vec<ErasedBlock>, u64) {
    let mut erasures = stream::iter(blocks)
        .map(|block| async move { (block, erase_one(cluster, down, block).await) })
        .buffer_unordered(PARALLEL);
    let (mut erased, mut bytes) = (Vec::new(), 0);
    while let Some((block, erasure)) = erasures.next().await {
        match erasure {
            Erasure::Erased(proof) => {
                let block_id = block.facts.block;
                erased.push(ErasedBlock {
                    block: block_id,
                    proof,
                });
                bytes += block.facts.size;
            }
            Erasure::ServiceDown => tally.blocks_left += 1,
            Erasure::Refused(refusal) => {
                tally.blocks_left += 1;
                let service = block.facts.service;
                tally.fail(format!("erase a block on service {service}: {refusal}"));
            }
        }
    }
    (erased, bytes)
}

async fn erase_one(cluster: &impl Cluster, down: &Down, block: &GarbageBlock) -> Erasure {
    let service = block.facts.service;
    // Without its key a shard cannot permit anything: the service is new to it, or long gone.
    let Some(certificate) = block.certificate else {
        return Erasure::ServiceDown;
    };
    if down.0.borrow().contains(&service) {
        return Erasure::ServiceDown;
    }
    let erasure = cluster.erase(block, certificate).await;
    if erasure == Erasure::ServiceDown {
        down.0.borrow_mut().insert(service);
    }
    erasure
}
