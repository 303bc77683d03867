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

#[cfg(test)]
mod tests {
    use eggs_proto::MacTag;

    use super::*;
    use crate::testing::{Bench, EXTENT_SIZE, proofs};

    #[test]
    fn unproved_blocks_are_missing_and_garbage() {
        let mut bench = Bench::new();
        let file = bench.create_transient();
        let placed = bench.add_extent(file, 0).unwrap();
        let few = bench.certify(file, 0, proofs(&placed, 4));
        assert_eq!(few, Err(Refusal::NotCertified));
        assert_eq!(bench.garbage(), []);
        let enough = bench.certify(file, 0, proofs(&placed, 5));
        assert_eq!(enough, Ok(ShardReply::Done));
        let garbage = bench.garbage();
        assert_eq!(garbage.len(), 1);
        assert_eq!(garbage[0].facts, placed[5].facts);
        assert_eq!(garbage[0].write_expiry, placed[5].expiry);
        assert_eq!(bench.stat(file.0).unwrap().physical_bytes, 5 * 28672);
    }

    #[test]
    fn the_same_proofs_again_are_fine_and_others_are_not() {
        let mut bench = Bench::new();
        let file = bench.create_transient();
        let placed = bench.add_extent(file, 0).unwrap();
        bench.certify(file, 0, proofs(&placed, 5)).unwrap();
        let again = bench.certify(file, 0, proofs(&placed, 5));
        assert_eq!(again, Ok(ShardReply::Done));
        let more = bench.certify(file, 0, proofs(&placed, 6));
        assert_eq!(more, Err(Refusal::BadExtent(ExtentProblem::State)));
        bench.link(file, "a").unwrap();
    }

    #[test]
    fn forged_and_misplaced_proofs_are_refused() {
        let mut bench = Bench::new();
        let file = bench.create_transient();
        let placed = bench.add_extent(file, 0).unwrap();
        let mut forged = proofs(&placed, 6);
        forged[2] = Some(MacTag([0; 16]));
        let refused = bench.certify(file, 0, forged);
        assert_eq!(refused, Err(Refusal::BadProof { index: 2 }));
        let mut swapped = proofs(&placed, 6);
        swapped.swap(0, 1);
        let refused = bench.certify(file, 0, swapped);
        assert_eq!(refused, Err(Refusal::BadProof { index: 0 }));
        let short = bench.certify(file, 0, vec![None; 5]);
        assert_eq!(short, Err(Refusal::BadExtent(ExtentProblem::Sizes)));
        let nowhere = bench.certify(file, EXTENT_SIZE, proofs(&placed, 6));
        assert_eq!(nowhere, Err(Refusal::BadExtent(ExtentProblem::Missing)));
        // The certificate itself is not a proof.
        let certificates = placed.iter().map(|block| Some(block.certificate)).collect();
        let refused = bench.certify(file, 0, certificates);
        assert_eq!(refused, Err(Refusal::BadProof { index: 0 }));
    }
}
