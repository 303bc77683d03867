//! Puts the blocks of [`begin_heal`](super::begin_heal) that are proved to be written in the place of those that were
//! missing, lost or damaged. These, and new ones without a proof, go to the garbage.

use std::collections::BTreeSet;

use eggs_proto::shard::{HealTarget, ShardReply};
use eggs_proto::{BlockState, Cookie, ExtentBlock, ExtentBody, InodeId, InvalidArgument, Refusal};

use super::begin_heal::{block_at, open};
use super::certify_extent::check;
use crate::records::ExtentRecord;
use crate::state::{OpenTransient, State, block_facts};
use crate::step::{Reply, Step};
use crate::{CheckedProof, Verdict};

pub(crate) fn apply(
    state: &mut State<'_>,
    (scratch, cookie): (InodeId, Cookie),
    target: &HealTarget,
    proofs: &[CheckedProof],
) -> Reply {
    let scratch = OpenTransient::open(state, scratch, cookie)?;
    let (mut record, (class, layout, mut blocks)) = open(state, target)?;
    let made = made(state, scratch.id, target)?;
    let ExtentBody::Blocks {
        layout: copies,
        blocks: new,
        ..
    } = &made.extent.body
    else {
        return Err(Refusal::NotCertified.into());
    };
    check(copies, new, proofs)?;
    if copies.block_bytes() != layout.block_bytes() {
        return Err(InvalidArgument::Range.into());
    }
    let mut healed = 0;
    for ((index, new), proof) in target.indexes.iter().zip(new).zip(proofs) {
        let old = *block_at(&blocks, *index)?;
        if new.checksum != old.checksum {
            return Err(Refusal::BadProof { index: *index }.into());
        }
        match proof.verdict {
            Verdict::Genuine => {}
            Verdict::Absent | Verdict::Forged | Verdict::NoKey => {
                state.discard(block_facts(copies, new), made.write_expiry)?;
                continue;
            }
        }
        if old.state != BlockState::Missing {
            state.discard(block_facts(&layout, &old), record.write_expiry)?;
        }
        blocks[usize::from(*index)] = ExtentBlock {
            state: BlockState::Stored,
            ..*new
        };
        healed += 1;
    }
    if healed == 0 {
        return Err(Refusal::NotCertified.into());
    }
    check_distinct(&blocks)?;
    record.extent.body = ExtentBody::Blocks {
        class,
        layout,
        blocks,
    };
    record.write_expiry = record.write_expiry.max(made.write_expiry);
    state.remove_extent(scratch.id, 0)?;
    state.remove_inode(scratch.id)?;
    state.put_extent(target.file, &record)?;
    Ok(ShardReply::Done)
}

/// The one extent of the transient file, with a block for each position.
fn made(state: &State<'_>, scratch: InodeId, target: &HealTarget) -> Step<ExtentRecord> {
    let mut extents = state.read().extents_until(scratch, u64::MAX, 2)?;
    match (extents.pop(), extents.pop()) {
        (Some(record), None) if blocks_of(&record) == target.indexes.len() => Ok(record),
        (_, _) => Err(InvalidArgument::List.into()),
    }
}

fn blocks_of(record: &ExtentRecord) -> usize {
    match &record.extent.body {
        ExtentBody::Blocks { blocks, .. } => blocks.len(),
        ExtentBody::Inline(_) | ExtentBody::Hole => 0,
    }
}

/// No two blocks on one service: `seen` has seen to that, and this is what must never be.
fn check_distinct(blocks: &[ExtentBlock]) -> Step<()> {
    let present = blocks.iter().filter(|b| b.state != BlockState::Missing);
    let services: Vec<_> = present.map(|block| block.service).collect();
    if services.iter().collect::<BTreeSet<_>>().len() != services.len() {
        return Err(Refusal::Changed.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use eggs_proto::shard::{PlacedBlock, ShardChange, ShardQuery};
    use eggs_proto::{BlockServiceId, MacTag, TRANSIENT_MS};

    use super::*;
    use crate::testing::{Bench, ROOT, map_of, name, proof, proofs};

    fn blocks(bench: &Bench, file: InodeId) -> Vec<ExtentBlock> {
        match &bench.extents(file)[0].body {
            ExtentBody::Blocks { blocks, .. } => blocks.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn target(bench: &Bench, file: InodeId, indexes: &[u8]) -> HealTarget {
        HealTarget {
            file,
            offset: 0,
            indexes: indexes.to_vec(),
            seen: blocks(bench, file).iter().map(|b| b.block).collect(),
        }
    }

    struct Begun {
        scratch: (InodeId, Cookie),
        target: HealTarget,
        placed: Vec<PlacedBlock>,
    }

    fn begin(bench: &mut Bench, file: InodeId, indexes: &[u8]) -> Begun {
        let mut target = target(bench, file, indexes);
        let change = ShardChange::BeginHeal {
            target: target.clone(),
            exclude: Vec::new(),
        };
        let Ok(ShardReply::Started {
            file,
            cookie,
            blocks,
        }) = bench.serve(change)
        else {
            panic!("refused");
        };
        target.indexes = blocks.iter().map(|block| block.index).collect();
        Begun {
            scratch: (file, cookie),
            target,
            placed: blocks,
        }
    }

    fn finish(begun: &Begun, proofs: Vec<Option<MacTag>>) -> ShardChange {
        ShardChange::FinishHeal {
            scratch: begun.scratch.0,
            cookie: begun.scratch.1,
            target: begun.target.clone(),
            proofs,
        }
    }

    fn all(begun: &Begun) -> Vec<Option<MacTag>> {
        begun
            .placed
            .iter()
            .map(|block| Some(proof(block)))
            .collect()
    }

    fn degraded(bench: &Bench) -> Vec<InodeId> {
        let query = ShardQuery::FilesOnService {
            service: BlockServiceId::NOWHERE,
            after: None,
            limit: 100,
        };
        match bench.query(&query) {
            Ok(ShardReply::Inodes { inodes, .. }) => inodes,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn proved_blocks_take_the_place_of_the_old_ones_which_are_garbage() {
        let mut bench = Bench::new();
        let file = bench.create_big_file("a");
        let before = blocks(&bench, file);
        let usage = bench.usage();
        let begun = begin(&mut bench, file, &[4, 1]);
        let mut proofs = all(&begun);
        proofs[0] = None;
        assert_eq!(bench.serve(finish(&begun, proofs)), Ok(ShardReply::Done));
        let after = blocks(&bench, file);
        assert_eq!(after[1].service, begun.placed[1].facts.service);
        assert_eq!(after[1].state, BlockState::Stored);
        let same = |at: usize| before[at] == after[at];
        assert!([0, 2, 3, 4, 5].into_iter().all(same));
        let garbage: BTreeSet<_> = bench.garbage().iter().map(|b| b.facts.block).collect();
        let expected = [before[1].block, begun.placed[0].facts.block];
        assert_eq!(garbage, BTreeSet::from(expected));
        let (now, was) = (bench.usage(), usage);
        assert_eq!(now.transients, was.transients);
        assert_eq!(now.physical_bytes, was.physical_bytes);
    }

    #[test]
    fn degraded_files_are_found_until_they_are_whole() {
        let mut bench = Bench::new();
        bench.map = map_of(5);
        let file = bench.create_transient();
        let placed = bench.add_extent(file, 0).unwrap();
        bench.certify(file, 0, proofs(&placed, 6)).unwrap();
        let file = bench.link(file, "a").unwrap();
        assert_eq!(degraded(&bench), [file]);
        bench.map = map_of(6);
        let begun = begin(&mut bench, file, &[5]);
        let proofs = all(&begun);
        bench.serve(finish(&begun, proofs)).unwrap();
        assert_eq!(degraded(&bench), []);
        let stored = |block: &ExtentBlock| block.state == BlockState::Stored;
        assert!(blocks(&bench, file).iter().all(stored));
        assert_eq!(bench.garbage(), []);
    }

    #[test]
    fn of_two_who_heal_the_same_extent_one_is_refused() {
        let mut bench = Bench::new();
        let file = bench.create_big_file("a");
        let first = begin(&mut bench, file, &[3]);
        let second = begin(&mut bench, file, &[2, 3]);
        let (a, b) = (all(&first), all(&second));
        assert_eq!(bench.serve(finish(&second, b)), Ok(ShardReply::Done));
        let late = bench.serve(finish(&first, a));
        assert_eq!(late, Err(Refusal::Changed));
        bench.wait_ms(TRANSIENT_MS);
        bench.destroy(first.scratch.0).unwrap();
        assert_eq!(bench.garbage().len(), 3);
    }

    #[test]
    fn proofs_of_others_and_late_ones_are_refused() {
        let mut bench = Bench::new();
        let file = bench.create_big_file("a");
        let begun = begin(&mut bench, file, &[3, 2]);
        let mut swapped = all(&begun);
        swapped.swap(0, 1);
        let refused = bench.serve(finish(&begun, swapped));
        assert_eq!(refused, Err(Refusal::BadProof { index: 0 }));
        let none = bench.serve(finish(&begun, vec![None, None]));
        assert_eq!(none, Err(Refusal::NotCertified));
        let mut other = finish(&begun, all(&begun));
        if let ShardChange::FinishHeal { target, .. } = &mut other {
            target.indexes = vec![0, 1];
        }
        assert_eq!(bench.serve(other), Err(Refusal::BadProof { index: 0 }));
        bench.wait_ms(TRANSIENT_MS);
        let late = bench.serve(finish(&begun, all(&begun)));
        assert_eq!(late, Err(Refusal::Expired));
    }

    #[test]
    fn a_file_that_is_being_collected_is_left_alone() {
        let mut bench = Bench::new();
        let file = bench.create_big_file("a");
        let begun = begin(&mut bench, file, &[3]);
        let unlink = ShardChange::Unlink {
            dir: ROOT,
            name: name("a"),
            expected: None,
        };
        bench.change(unlink).unwrap();
        let snapshot = bench.snapshots(ROOT).remove(0);
        let collect = ShardChange::CollectSnapshot {
            dir: ROOT,
            key: snapshot.key,
            inode: file,
        };
        bench.serve(collect).unwrap();
        let late = bench.serve(finish(&begun, all(&begun)));
        assert_eq!(late, Err(Refusal::Changed));
        bench.destroy(file).unwrap();
        let gone = bench.serve(finish(&begun, all(&begun)));
        assert_eq!(gone, Err(Refusal::NotFound));
        assert_eq!(bench.garbage().len(), 6);
    }

    #[test]
    fn another_transient_file_is_no_source_of_blocks() {
        let mut bench = Bench::new();
        let file = bench.create_big_file("a");
        let mut begun = begin(&mut bench, file, &[3]);
        let proofs = all(&begun);
        begun.scratch = bench.create_transient();
        let empty = bench.serve(finish(&begun, proofs));
        assert_eq!(empty, Err(Refusal::Invalid(InvalidArgument::List)));
        bench.add_extent(begun.scratch, 0).unwrap();
        let others = bench.serve(finish(&begun, vec![None; 6]));
        assert_eq!(others, Err(Refusal::Invalid(InvalidArgument::List)));
    }
}
