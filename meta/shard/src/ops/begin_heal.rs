//! Begins to make blocks of a linked file again that are missing, lost or damaged.
//!
//! The new blocks belong to a transient file of their own, as so many copies in one extent: if whoever heals is never
//! heard of again, they expire like everything that was begun and not finished. The file itself is not touched before
//! [`finish_heal`](super::finish_heal).
//!
//! **Invariant:** a block of a linked file is only ever replaced by one that is proved to be written, and what is replaced
//! goes to the garbage: nothing is lost and nothing is leaked, wherever healing stops.

use std::collections::BTreeSet;

use eggs_proto::shard::{HealTarget, ShardReply};
use eggs_proto::{
    BlockServiceId, BlockState, CERTIFICATE_MS, Cookie, Extent, ExtentBlock, ExtentBody,
    ExtentLayout, HEAL_BLOCKS_MAX, InodeKind, InvalidArgument, NewAttributes, Refusal, Scheme,
    StorageClass, TRANSIENT_MS,
};

use super::add_extent::{name_block, place};
use super::replace_blocks::too_few;
use crate::records::{CommonAttributes, ExtentRecord, Life, Transient};
use crate::state::{OpenTransient, State};
use crate::step::{Reply, Step};

pub(crate) fn apply(
    state: &mut State<'_>,
    target: &HealTarget,
    cookie: Cookie,
    services: &[Option<BlockServiceId>],
) -> Reply {
    let (class, layout, blocks) = open(state, target)?.1;
    check_services(&blocks, target, services)?;
    let chosen: Vec<(u8, BlockServiceId)> = (target.indexes.iter().zip(services))
        .filter_map(|(index, service)| Some((*index, (*service)?)))
        .collect();
    let parity = chosen.len().checked_sub(1).ok_or(too_few(0, 1))?;
    let copies = ExtentLayout {
        scheme: Scheme::new(1, u8::try_from(parity).unwrap_or(u8::MAX))
            .ok_or(InvalidArgument::List)?,
        ..layout
    };
    let expiry = state.now.plus_ms(CERTIFICATE_MS);
    let (mut named, mut placed) = (Vec::new(), Vec::new());
    for (index, service) in chosen {
        let checksum = block_at(&blocks, index)?.checksum;
        let block = name_block(state, Some(service), checksum);
        placed.push(place(index, &layout, &block, expiry));
        named.push(block);
    }
    let mut scratch = begin(state, target, cookie)?;
    let body = ExtentBody::Blocks {
        class,
        layout: copies,
        blocks: named,
    };
    let extent = Extent {
        offset: 0,
        size: layout.block_bytes(),
        body,
    };
    scratch.append(state, extent, expiry)?;
    let file = scratch.id;
    scratch.close(state)?;
    Ok(ShardReply::Started {
        file,
        cookie,
        blocks: placed,
    })
}

type Blocks = (StorageClass, ExtentLayout, Vec<ExtentBlock>);

/// The extent to be healed, if its file is linked and nobody has healed it meanwhile.
pub(super) fn open(state: &State<'_>, target: &HealTarget) -> Step<(ExtentRecord, Blocks)> {
    let HealTarget { indexes, seen, .. } = target;
    let distinct: BTreeSet<u8> = indexes.iter().copied().collect();
    if distinct.len() != indexes.len() || !(1..=HEAL_BLOCKS_MAX).contains(&indexes.len()) {
        return Err(InvalidArgument::List.into());
    }
    let file = state.read().file(target.file)?;
    match file.life {
        Life::Linked { .. } => {}
        Life::Transient(_) => return Err(Refusal::Changed.into()),
    }
    let record = state.read().extent(target.file, target.offset)?;
    let record = record.ok_or(Refusal::Changed)?;
    let ExtentBody::Blocks {
        class,
        layout,
        blocks,
    } = record.extent.body.clone()
    else {
        return Err(Refusal::Changed.into());
    };
    if !blocks.iter().map(|block| &block.block).eq(seen) {
        return Err(Refusal::Changed.into());
    }
    Ok((record, (class, layout, blocks)))
}

pub(super) fn block_at(blocks: &[ExtentBlock], index: u8) -> Result<&ExtentBlock, Refusal> {
    let block = blocks.get(usize::from(index));
    block.ok_or(Refusal::Invalid(InvalidArgument::List))
}

/// The leader may have chosen for other blocks.
fn check_services(
    blocks: &[ExtentBlock],
    target: &HealTarget,
    services: &[Option<BlockServiceId>],
) -> Step<()> {
    let stays = |index: &u8, block: &ExtentBlock| {
        block.state != BlockState::Missing && !target.indexes.contains(index)
    };
    let kept = (0u8..)
        .zip(blocks)
        .filter(|(index, block)| stays(index, block));
    let taken = kept.map(|(_, block)| block.service);
    let all: Vec<_> = taken.chain(services.iter().flatten().copied()).collect();
    let distinct: BTreeSet<_> = all.iter().collect();
    if services.len() != target.indexes.len() || distinct.len() != all.len() {
        return Err(Refusal::Locked.into());
    }
    Ok(())
}

fn begin(state: &mut State<'_>, target: &HealTarget, cookie: Cookie) -> Step<OpenTransient> {
    let attributes = NewAttributes {
        mode: 0,
        uid: 0,
        gid: 0,
        mtime: None,
        atime: None,
    };
    Ok(OpenTransient {
        attributes: CommonAttributes::new(&attributes, state.now)?,
        id: state.fresh_inode(InodeKind::File),
        stored: None,
        size: 0,
        physical_bytes: 0,
        transient: Transient {
            deadline: state.now.plus_ms(TRANSIENT_MS),
            cookie: Some(cookie),
            note: format!("healing of {}", target.file),
            mtime_chosen: false,
            pending_extents: 0,
        },
    })
}

#[cfg(test)]
mod tests {
    use eggs_proto::hello::PeerRole;
    use eggs_proto::shard::{PlacedBlock, ShardChange};
    use eggs_proto::{InodeId, ServiceState};

    use super::*;
    use crate::testing::{Answer, Bench, EXTENT_SIZE};

    pub(super) fn begin_change(bench: &Bench, file: InodeId, indexes: &[u8]) -> ShardChange {
        let extent = &bench.extents(file)[0];
        let ExtentBody::Blocks { blocks, .. } = &extent.body else {
            panic!("no blocks");
        };
        let target = HealTarget {
            file,
            offset: 0,
            indexes: indexes.to_vec(),
            seen: blocks.iter().map(|block| block.block).collect(),
        };
        ShardChange::BeginHeal {
            target,
            exclude: Vec::new(),
        }
    }

    fn placed(answer: Answer) -> Vec<PlacedBlock> {
        match answer {
            Ok(ShardReply::Started { blocks, .. }) => blocks,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn new_places_are_where_no_block_is_that_stays() {
        let mut bench = Bench::new();
        let file = bench.create_big_file("a");
        let before = bench.extents(file);
        let services: Vec<_> = crate::state::services(&before[0]).collect();
        let change = begin_change(&bench, file, &[4, 1]);
        let new = placed(bench.serve(change));
        assert_eq!((new[0].index, new[1].index), (4, 1));
        assert_eq!(new[0].facts.checksum.0, 4);
        let kept = [0, 2, 3, 5].map(|at| services[at]);
        for block in &new {
            assert!(!kept.contains(&block.facts.service));
        }
        assert_eq!(bench.extents(file), before);
        assert_eq!(bench.usage().transients, 1);
    }

    /// Of two that are healed at once one may not be written: then it still is where it was.
    #[test]
    fn no_new_place_is_where_another_block_was_that_is_healed_at_once() {
        let class = StorageClass::Hdd;
        for spare in 1..4 {
            let mut bench = Bench::new();
            let file = bench.create_big_file("a");
            let services: Vec<_> = crate::state::services(&bench.extents(file)[0]).collect();
            // So few domains that nearly all of them hold a block.
            let mut kept = 0;
            bench.map.services.retain(|info| {
                let holds = services.contains(&info.service);
                let is_spare = !holds && info.class == class && kept < spare;
                kept += usize::from(is_spare);
                holds || is_spare
            });
            for _ in 0..50 {
                let change = begin_change(&bench, file, &[4, 1, 2]);
                for block in placed(bench.serve(change)) {
                    let old = services.iter().position(|old| *old == block.facts.service);
                    assert!(
                        old.is_none_or(|old| old == usize::from(block.index)),
                        "{old:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_never_finished_becomes_garbage_and_the_file_stays_whole() {
        let mut bench = Bench::new();
        let file = bench.create_big_file("a");
        let before = bench.extents(file);
        let Ok(ShardReply::Started {
            file: scratch,
            blocks,
            ..
        }) = bench.serve(begin_change(&bench, file, &[0, 5]))
        else {
            panic!("refused");
        };
        bench.wait_ms(TRANSIENT_MS + 1);
        bench.destroy(scratch).unwrap();
        let garbage: Vec<_> = bench.garbage().iter().map(|block| block.facts).collect();
        assert_eq!(garbage, [blocks[0].facts, blocks[1].facts]);
        assert_eq!(bench.extents(file), before);
    }

    #[test]
    fn fewer_places_than_asked_for_are_taken_and_none_is_refused() {
        let mut bench = Bench::new();
        let file = bench.create_big_file("a");
        let services: Vec<_> = crate::state::services(&bench.extents(file)[0]).collect();
        let held = |domain: u32| services.contains(&BlockServiceId(u64::from(domain) + 1));
        let spare = (0..16).find(|domain| !held(*domain)).unwrap();
        let class = StorageClass::Hdd;
        for info in &mut bench.map.services {
            // Only the disks that stay, and one in a spare domain.
            let open = info.class == class && (held(info.domain.0) || info.domain.0 == spare);
            let leaves = [services[2], services[3]].contains(&info.service);
            if !open || leaves {
                info.state = ServiceState::NoWrite;
            }
        }
        let new = placed(bench.serve(begin_change(&bench, file, &[2, 3])));
        assert_eq!(new.len(), 1);
        assert_eq!(new[0].facts.service, BlockServiceId(u64::from(spare) + 1));
        bench.map.services.retain(|info| info.domain.0 != spare);
        let refused = bench.serve(begin_change(&bench, file, &[2]));
        assert_eq!(refused, Err(too_few(0, 1)));
    }

    #[test]
    fn a_damaged_block_may_be_made_again_on_its_own_disk_if_there_is_no_other() {
        let mut bench = Bench::new();
        let file = bench.create_big_file("a");
        let services: Vec<_> = crate::state::services(&bench.extents(file)[0]).collect();
        bench
            .map
            .services
            .retain(|info| services.contains(&info.service));
        let new = placed(bench.serve(begin_change(&bench, file, &[3])));
        assert_eq!(new[0].facts.service, services[3]);
    }

    #[test]
    fn only_linked_files_are_healed_and_only_by_servers() {
        let mut bench = Bench::new();
        let transient = bench.create_transient();
        bench.add_extent(transient, 0).unwrap();
        let refused = bench.serve(begin_change(&bench, transient.0, &[1]));
        assert_eq!(refused, Err(Refusal::Changed));
        let file = bench.create_big_file("a");
        let change = begin_change(&bench, file, &[1]);
        let refused = bench.change_as(PeerRole::Client, change);
        assert_eq!(refused, Err(Refusal::Forbidden));
        assert_eq!(bench.stat(file).unwrap().size, EXTENT_SIZE);
    }

    #[test]
    fn bad_positions_and_other_blocks_are_refused() {
        let mut bench = Bench::new();
        let file = bench.create_big_file("a");
        let list = Err(Refusal::Invalid(InvalidArgument::List));
        for indexes in [&[][..], &[1, 1], &[6], &[0; 300]] {
            let change = begin_change(&bench, file, indexes);
            assert_eq!(bench.serve(change), list, "{indexes:?}");
        }
        let mut change = begin_change(&bench, file, &[1]);
        if let ShardChange::BeginHeal { target, .. } = &mut change {
            target.seen.swap(0, 1);
        }
        assert_eq!(bench.serve(change), Err(Refusal::Changed));
    }
}
