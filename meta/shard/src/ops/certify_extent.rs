//! Shows that the blocks of an extent are stored. The leader checked the proofs against the blocks as it knew
//! them; here its findings are compared with the state.
//!
//! A leader that has just been elected may not have caught up with the log or the keys; then the answer is to ask again.
//!
//! Blocks without a proof become `Missing` and go to the garbage, because they may have been written.

use eggs_proto::shard::ShardReply;
use eggs_proto::{
    BlockState, Cookie, ExtentBlock, ExtentBody, ExtentLayout, ExtentProblem, InodeId, Refusal,
};

use crate::state::{OpenTransient, State, block_facts};
use crate::step::{Reply, Step};
use crate::{CheckedProof, Verdict};

pub(crate) fn apply(
    state: &mut State<'_>,
    id: InodeId,
    cookie: Cookie,
    offset: u64,
    proofs: &[CheckedProof],
) -> Reply {
    let mut file = OpenTransient::open(state, id, cookie)?;
    certify(state, &mut file, offset, proofs)?;
    file.close(state)?;
    Ok(ShardReply::Done)
}

/// Certifies one extent of an open file. Fine if it is certified by the same proofs already.
pub(crate) fn certify(
    state: &mut State<'_>,
    file: &mut OpenTransient,
    offset: u64,
    proofs: &[CheckedProof],
) -> Step<()> {
    let mut record = state
        .read()
        .extent(file.id, offset)?
        .ok_or(Refusal::BadExtent(ExtentProblem::Missing))?;
    let was_certified = record.extent.is_certified();
    let ExtentBody::Blocks { layout, blocks, .. } = &mut record.extent.body else {
        return Err(ExtentProblem::State.into());
    };
    check(layout, blocks, proofs)?;
    if was_certified {
        return Ok(());
    }
    for (block, proof) in blocks.iter_mut().zip(proofs) {
        match (block.state, proof.verdict) {
            (BlockState::Pending, Verdict::Genuine) => block.state = BlockState::Stored,
            (BlockState::Pending, Verdict::Absent | Verdict::Forged | Verdict::NoKey) => {
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
    Ok(state.put_extent(file.id, &record)?)
}

pub(crate) fn check(
    layout: &ExtentLayout,
    blocks: &[ExtentBlock],
    proofs: &[CheckedProof],
) -> Step<()> {
    let current = blocks.iter().map(|block| block_facts(layout, block));
    if !current.eq(proofs.iter().map(|proof| proof.facts)) {
        return Err(Refusal::Locked.into());
    }
    for (index, (block, proof)) in (0u8..).zip(blocks.iter().zip(proofs)) {
        match (proof.verdict, block.state) {
            (Verdict::Absent, _) => {}
            (Verdict::Genuine | Verdict::Forged | Verdict::NoKey, BlockState::Missing) => {
                return Err(ExtentProblem::State.into()); // it is in the garbage already
            }
            (Verdict::Genuine, BlockState::Pending | BlockState::Stored) => {}
            (Verdict::Forged, BlockState::Pending | BlockState::Stored) => {
                return Err(Refusal::BadProof { index }.into());
            }
            (Verdict::NoKey, BlockState::Pending | BlockState::Stored) => {
                return Err(Refusal::Locked.into());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use eggs_proto::MacTag;
    use eggs_proto::hello::PeerRole;
    use eggs_proto::shard::ShardChange;

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
        assert_eq!(bench.stat(file.0).unwrap().physical_bytes, 6 * 28672);
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

    /// As prepared by a leader that knows no keys.
    fn no_keys(bench: &Bench, change: &ShardChange) -> crate::ShardCommand {
        let mut command = bench.prepare(PeerRole::Client, change.clone()).unwrap();
        if let crate::Prepared::Proved(proofs) = &mut command.prepared {
            for proof in proofs {
                proof.verdict = Verdict::NoKey;
            }
        }
        command
    }

    #[test]
    fn a_leader_that_has_not_caught_up_says_to_ask_again() {
        let mut bench = Bench::new();
        let file = bench.create_transient();
        let before = bench.store.clone();
        let placed = bench.add_extent(file, 0).unwrap();
        let change = ShardChange::CertifyExtent {
            file: file.0,
            cookie: file.1,
            offset: 0,
            proofs: proofs(&placed, 6),
        };
        let now = std::mem::replace(&mut bench.store, before);
        let command = bench.prepare(PeerRole::Client, change.clone()).unwrap();
        bench.store = now;
        assert_eq!(bench.apply(&command, 900), Err(Refusal::Locked));
        assert_eq!(
            bench.apply(&no_keys(&bench, &change), 901),
            Err(Refusal::Locked)
        );
        assert_eq!(bench.change(change), Ok(ShardReply::Done));
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
