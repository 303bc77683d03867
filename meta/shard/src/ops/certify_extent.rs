//! Shows that the blocks of an extent are stored. The leader verified the proofs and named the facts they
//! prove; here they are compared with the state.
//!
//! Blocks without a proof become `Missing` and go to the garbage, because they may have been written.

use eggs_proto::shard::ShardReply;
use eggs_proto::{
    BlockFacts, BlockState, Cookie, ExtentBlock, ExtentBody, ExtentLayout, ExtentProblem, InodeId,
    Refusal,
};

use crate::state::{OpenTransient, State, block_facts};
use crate::step::{Reply, Step};

pub(crate) fn apply(
    state: &mut State<'_>,
    id: InodeId,
    cookie: Cookie,
    offset: u64,
    proved: &[Option<BlockFacts>],
) -> Reply {
    let mut file = OpenTransient::open(state, id, cookie)?;
    certify(state, &mut file, offset, proved)?;
    file.close(state)?;
    Ok(ShardReply::Done)
}

/// Certifies one extent of an open file. Fine if it is certified by the same facts already.
pub(crate) fn certify(
    state: &mut State<'_>,
    file: &mut OpenTransient,
    offset: u64,
    proved: &[Option<BlockFacts>],
) -> Step<()> {
    let mut record = state
        .read()
        .extent(file.id, offset)?
        .ok_or(Refusal::BadExtent(ExtentProblem::Missing))?;
    let was_certified = record.extent.is_certified();
    let before = record.extent.physical_bytes();
    let ExtentBody::Blocks { layout, blocks, .. } = &mut record.extent.body else {
        return Err(ExtentProblem::State.into());
    };
    if proved.len() != blocks.len() {
        return Err(ExtentProblem::Sizes.into());
    }
    check_facts(layout, blocks, proved)?;
    if was_certified {
        return Ok(());
    }
    for (block, proof) in blocks.iter_mut().zip(proved) {
        match (block.state, proof) {
            (BlockState::Pending, Some(_)) => block.state = BlockState::Stored,
            (BlockState::Pending, None) => {
                state.discard(block_facts(layout, block), record.write_expiry)?;
                block.state = BlockState::Missing;
            }
            (BlockState::Stored | BlockState::Missing, _) => {}
        }
    }
    let stored = blocks.iter().filter(|b| b.state == BlockState::Stored);
    if stored.count() < layout.scheme.blocks_min() {
        return Err(Refusal::NotCertified.into());
    }
    file.transient.pending_extents = file.transient.pending_extents.saturating_sub(1);
    file.physical_bytes = file
        .physical_bytes
        .saturating_sub(before)
        .saturating_add(record.extent.physical_bytes());
    Ok(state.put_extent(file.id, &record)?)
}

fn check_facts(
    layout: &ExtentLayout,
    blocks: &[ExtentBlock],
    proved: &[Option<BlockFacts>],
) -> Step<()> {
    for (index, (block, proof)) in (0u8..).zip(blocks.iter().zip(proved)) {
        let Some(facts) = proof else {
            continue;
        };
        if *facts != block_facts(layout, block) {
            return Err(Refusal::BadProof { index }.into());
        }
        if block.state == BlockState::Missing {
            return Err(ExtentProblem::State.into()); // it is in the garbage already
        }
    }
    Ok(())
}
