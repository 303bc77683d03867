//! Names new blocks in place of some that could not be written. The old ones go to the garbage, because they
//! may have been written all the same.
//!
//! A block for which no failure domain was left becomes `Missing`, as long as enough others remain.

use std::collections::BTreeSet;

use eggs_proto::shard::ShardReply;
use eggs_proto::{
    BlockId, BlockServiceId, BlockState, CERTIFICATE_MS, Cookie, ExtentBlock, ExtentBody,
    ExtentProblem, InodeId, InvalidArgument, Refusal,
};

use super::add_extent::{name_block, place};
use crate::records::ExtentRecord;
use crate::state::{OpenTransient, State, block_facts};
use crate::step::{Reply, Step};

/// What is to be replaced by what.
pub(crate) struct Replacement {
    pub(crate) indexes: Vec<u8>,
    /// The blocks of the extent when the leader chose.
    pub(crate) seen: Vec<BlockId>,
    /// One for each index.
    pub(crate) services: Vec<Option<BlockServiceId>>,
}

pub(crate) fn apply(
    state: &mut State<'_>,
    id: InodeId,
    cookie: Cookie,
    offset: u64,
    replacement: &Replacement,
) -> Reply {
    let mut file = OpenTransient::open(state, id, cookie)?;
    let mut record = state
        .read()
        .extent(id, offset)?
        .ok_or(Refusal::BadExtent(ExtentProblem::Missing))?;
    let write_expiry = record.write_expiry;
    let was_pending = !record.extent.is_certified();
    let ExtentBody::Blocks { layout, blocks, .. } = &mut record.extent.body else {
        return Err(ExtentProblem::State.into());
    };
    check(blocks, replacement)?;
    let expiry = state.now.plus_ms(CERTIFICATE_MS);
    let mut placed = Vec::new();
    for (index, service) in replacement.indexes.iter().zip(&replacement.services) {
        let Some(block) = blocks.get_mut(usize::from(*index)) else {
            continue; // checked above
        };
        state.discard(block_facts(layout, block), write_expiry)?;
        *block = name_block(state, *service, block.checksum);
        if block.state == BlockState::Pending {
            placed.push(place(*index, layout, block, expiry));
        }
    }
    let present = blocks.iter().filter(|b| b.state != BlockState::Missing);
    let present = present.count();
    if present < layout.scheme.blocks_min() {
        return Err(too_few(present, layout.scheme.blocks_min()).into());
    }
    if was_pending && record.extent.is_certified() {
        let pending = &mut file.transient.pending_extents;
        *pending = pending.saturating_sub(1);
    }
    state.put_extent(
        id,
        &ExtentRecord {
            write_expiry: write_expiry.max(expiry),
            ..record
        },
    )?;
    file.close(state)?;
    Ok(ShardReply::Placed(placed))
}

/// The refusal for too few failure domains.
pub(crate) fn too_few(healthy: usize, needed: usize) -> Refusal {
    let small = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
    Refusal::NoSpace {
        healthy: small(healthy),
        needed: small(needed),
    }
}

fn check(blocks: &[ExtentBlock], replacement: &Replacement) -> Step<()> {
    let Replacement {
        indexes,
        seen,
        services,
    } = replacement;
    let distinct: BTreeSet<u8> = indexes.iter().copied().collect();
    if indexes.is_empty() || indexes.len() > blocks.len() || distinct.len() != indexes.len() {
        return Err(InvalidArgument::List.into());
    }
    let pending = |index: &u8| {
        blocks
            .get(usize::from(*index))
            .is_some_and(|block| block.state == BlockState::Pending)
    };
    if !indexes.iter().all(pending) {
        return Err(ExtentProblem::State.into());
    }
    if !blocks.iter().map(|block| &block.block).eq(seen) {
        return Err(Refusal::Locked.into()); // ask again: the choice was made for others
    }
    let kept = (0u8..)
        .zip(blocks)
        .filter(|(index, block)| block.state != BlockState::Missing && !distinct.contains(index))
        .map(|(_, block)| block.service);
    let all: Vec<BlockServiceId> = kept.chain(services.iter().flatten().copied()).collect();
    if services.len() != indexes.len() || all.iter().collect::<BTreeSet<_>>().len() != all.len() {
        return Err(InvalidArgument::Encoding.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use eggs_proto::hello::PeerRole;
    use eggs_proto::shard::{PlacedBlock, ShardChange};

    use super::*;
    use crate::testing::{Answer, Bench, map_of, proof, proofs};

    fn replace_change(
        (file, cookie): (InodeId, Cookie),
        indexes: &[u8],
        exclude: &[BlockServiceId],
    ) -> ShardChange {
        ShardChange::ReplaceBlocks {
            file,
            cookie,
            offset: 0,
            indexes: indexes.to_vec(),
            exclude: exclude.to_vec(),
        }
    }

    fn placed(answer: Answer) -> Vec<PlacedBlock> {
        match answer {
            Ok(ShardReply::Placed(blocks)) => blocks,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn replaced_blocks_are_garbage_and_the_new_ones_are_elsewhere() {
        let mut bench = Bench::new();
        let file = bench.create_transient();
        let old = bench.add_extent(file, 0).unwrap();
        let new = placed(bench.change(replace_change(file, &[4, 1], &[])));
        assert_eq!((new[0].index, new[1].index), (4, 1));
        let old_services: Vec<_> = old.iter().map(|block| block.facts.service).collect();
        for block in &new {
            assert!(!old_services.contains(&block.facts.service));
        }
        let garbage: Vec<_> = bench.garbage().iter().map(|block| block.facts).collect();
        assert_eq!(garbage, [old[1].facts, old[4].facts]);
        let mut all = proofs(&old, 6);
        all[4] = Some(proof(&new[0]));
        let stale = bench.certify(file, 0, all.clone());
        assert_eq!(stale, Err(Refusal::BadProof { index: 1 }));
        all[1] = Some(proof(&new[1]));
        assert_eq!(bench.certify(file, 0, all), Ok(ShardReply::Done));
        let certified = bench.change(replace_change(file, &[4], &[]));
        assert_eq!(certified, Err(Refusal::BadExtent(ExtentProblem::State)));
    }

    #[test]
    fn excluded_services_are_not_chosen() {
        let mut bench = Bench::new();
        bench.map = map_of(8);
        let file = bench.create_transient();
        let old = bench.add_extent(file, 0).unwrap();
        let held: Vec<_> = old.iter().map(|block| block.facts.service).collect();
        let free = |service: &BlockServiceId| !held.contains(service);
        let free: Vec<_> = (1..=8).map(BlockServiceId).filter(free).collect();
        for (excluded, left) in [(free[0], free[1]), (free[1], free[0])] {
            let mut bench = bench.clone();
            let new = bench.change(replace_change(file, &[0], &[excluded]));
            assert_eq!(placed(new)[0].facts.service, left);
        }
    }

    #[test]
    fn bad_lists_are_refused() {
        let mut bench = Bench::new();
        let file = bench.create_transient();
        bench.add_extent(file, 0).unwrap();
        let list = Err(Refusal::Invalid(InvalidArgument::List));
        assert_eq!(bench.change(replace_change(file, &[], &[])), list);
        assert_eq!(bench.change(replace_change(file, &[1, 1], &[])), list);
        assert_eq!(bench.change(replace_change(file, &[0; 300], &[])), list);
        let many = vec![BlockServiceId(1); 257];
        assert_eq!(bench.change(replace_change(file, &[1], &many)), list);
        let state = Err(Refusal::BadExtent(ExtentProblem::State));
        assert_eq!(bench.change(replace_change(file, &[6], &[])), state);
    }

    #[test]
    fn without_another_domain_the_block_is_missing_as_long_as_enough_remain() {
        let mut bench = Bench::new();
        bench.map = map_of(6);
        let file = bench.create_transient();
        bench.add_extent(file, 0).unwrap();
        assert_eq!(placed(bench.change(replace_change(file, &[5], &[]))), []);
        let refused = bench.change(replace_change(file, &[4, 3, 2], &[]));
        assert!(matches!(refused, Err(Refusal::NoSpace { needed: 5, .. })));
        assert_eq!(bench.garbage().len(), 1);
    }

    #[test]
    fn a_choice_made_for_other_blocks_is_to_be_made_again() {
        let mut bench = Bench::new();
        let file = bench.create_transient();
        bench.add_extent(file, 0).unwrap();
        let late = bench.prepare(PeerRole::Client, replace_change(file, &[1], &[]));
        bench.change(replace_change(file, &[1], &[])).unwrap();
        let refused = bench.apply(&late.unwrap(), 999);
        assert_eq!(refused, Err(Refusal::Locked));
    }
}
