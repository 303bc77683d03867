//! Appends an extent in blocks: names the blocks; the services were chosen by the leader.
//!
//! A block for which no failure domain was left gets a name, service 0 and the state `Missing` at once; it
//! has no [`PlacedBlock`] in the reply.

use std::collections::BTreeSet;

use eggs_machine::bugs::{Bug, planted};
use eggs_proto::shard::{AddExtent, NewExtent, PlacedBlock, ShardReply};
use eggs_proto::{
    BlockServiceId, BlockState, CERTIFICATE_MS, Checksum, EXCLUDE_MAX, Extent, ExtentBlock,
    ExtentBody, ExtentLayout, ExtentProblem, InvalidArgument, MacTag, StorageClass,
};

use super::certify_extent::certify;
use crate::CheckedProof;
use crate::state::{OpenTransient, State, block_facts};
use crate::step::{Reply, Step};

/// What the leader chose.
pub(crate) struct Placement {
    pub(crate) class: StorageClass,
    /// One for each block.
    pub(crate) services: Vec<Option<BlockServiceId>>,
    /// What it found about the extent to be certified at the same time.
    pub(crate) certified: Option<Vec<CheckedProof>>,
}

pub(crate) fn apply(state: &mut State<'_>, request: AddExtent, placement: &Placement) -> Reply {
    let mut file = OpenTransient::open(state, request.file, request.cookie)?;
    let extent = NewExtent {
        size: request.size,
        class: request.class,
        layout: request.layout,
        checksums: request.checksums,
        exclude: request.exclude,
    };
    check(&extent, placement)?;
    file.check_end(request.offset, request.size)?;
    match (&request.certify, &placement.certified) {
        (Some((offset, _)), Some(proved)) => certify(state, &mut file, *offset, proved)?,
        (None, None) => {}
        (Some(_), None) | (None, Some(_)) => return Err(InvalidArgument::Encoding.into()),
    }
    let placed = append(state, &mut file, &extent, placement)?;
    file.close(state)?;
    Ok(ShardReply::Placed(placed))
}

/// Appends an extent that passed [`check`] to a file that has room for it.
pub(crate) fn append(
    state: &mut State<'_>,
    file: &mut OpenTransient,
    new: &NewExtent,
    placement: &Placement,
) -> Step<Vec<PlacedBlock>> {
    let expiry = state.now.plus_ms(CERTIFICATE_MS);
    let named = placement.services.iter().zip(&new.checksums);
    let blocks: Vec<ExtentBlock> = named
        .map(|(service, checksum)| name_block(state, *service, *checksum))
        .collect();
    let placed = (0u8..)
        .zip(&blocks)
        .filter(|(_, block)| block.state == BlockState::Pending)
        .map(|(index, block)| place(index, &new.layout, block, expiry))
        .collect();
    let body = ExtentBody::Blocks {
        class: placement.class,
        layout: new.layout,
        blocks,
    };
    let extent = Extent {
        offset: file.size,
        size: new.size,
        body,
    };
    file.append(state, extent, expiry)?;
    Ok(placed)
}

/// What is asked for and what the leader chose must fit.
pub(crate) fn check(extent: &NewExtent, placement: &Placement) -> Step<()> {
    let scheme = extent.layout.scheme;
    if !extent.layout.fits(extent.size) || extent.checksums.len() != scheme.blocks() {
        return Err(ExtentProblem::Sizes.into());
    }
    if extent.exclude.len() > EXCLUDE_MAX {
        return Err(InvalidArgument::List.into());
    }
    let chosen: Vec<_> = placement.services.iter().flatten().collect();
    let distinct: BTreeSet<_> = chosen.iter().collect();
    if placement.services.len() != scheme.blocks()
        || (distinct.len() != chosen.len() && !planted(Bug::ServiceTakenTwice))
        || chosen.len() < scheme.blocks_min()
    {
        return Err(InvalidArgument::Encoding.into());
    }
    Ok(())
}

/// Names a block on the service chosen for it, if one was.
pub(crate) fn name_block(
    state: &mut State<'_>,
    service: Option<BlockServiceId>,
    checksum: Checksum,
) -> ExtentBlock {
    ExtentBlock {
        block: state.fresh_block(),
        service: service.unwrap_or(BlockServiceId(0)),
        checksum,
        state: match service {
            Some(_) => BlockState::Pending,
            None => BlockState::Missing,
        },
    }
}

/// The permission to write a block, not yet signed.
pub(crate) fn place(
    index: u8,
    layout: &ExtentLayout,
    block: &ExtentBlock,
    expiry: eggs_proto::Time,
) -> PlacedBlock {
    PlacedBlock {
        index,
        facts: block_facts(layout, block),
        expiry,
        certificate: MacTag([0; 16]),
    }
}

#[cfg(test)]
mod tests {
    use eggs_proto::hello::PeerRole;
    use eggs_proto::shard::{ShardChange, ShardReply};
    use eggs_proto::{ExtentProblem, Refusal, ServiceState, Time};

    use super::*;
    use crate::Prepared;
    use crate::testing::{Bench, EXTENT_SIZE, extent_request, map_of, proofs};

    #[test]
    fn every_block_is_named_once_and_goes_to_its_own_domain() {
        let mut bench = Bench::new();
        let file = bench.create_transient();
        let placed = bench.add_extent(file, 0).unwrap();
        let indexes: Vec<u8> = placed.iter().map(|block| block.index).collect();
        assert_eq!(indexes, [0, 1, 2, 3, 4, 5]);
        let domains: BTreeSet<_> = placed
            .iter()
            .map(|block| bench.map.service(block.facts.service).unwrap().domain)
            .collect();
        assert_eq!(domains.len(), 6);
        let names: BTreeSet<_> = placed.iter().map(|block| block.facts.block).collect();
        assert_eq!(names.len(), 6);
        let expiry = bench.now.plus_ms(CERTIFICATE_MS);
        assert!(placed.iter().all(|block| block.expiry == expiry));
        let stat = bench.stat(file.0).unwrap();
        assert_eq!((stat.size, stat.physical_bytes), (EXTENT_SIZE, 6 * 28672));
    }

    #[test]
    fn a_retry_gets_the_same_blocks_even_on_a_full_cluster() {
        let mut bench = Bench::new();
        let file = bench.create_transient();
        let change = ShardChange::AddExtent(extent_request(file, 0));
        let command = bench.prepare(PeerRole::Client, change.clone()).unwrap();
        let first = bench.apply(&command, 77);
        bench.map = map_of(2);
        let again = bench.prepare(PeerRole::Client, change).unwrap();
        assert!(matches!(
            again.prepared,
            Prepared::Refused(Refusal::NoSpace { .. })
        ));
        assert_eq!(bench.apply(&again, 77), first);
    }

    #[test]
    fn with_too_few_domains_the_extent_is_degraded_or_refused() {
        let mut bench = Bench::new();
        let file = bench.create_transient();
        bench.map = map_of(5);
        let placed = bench.add_extent(file, 0).unwrap();
        assert_eq!(placed.len(), 5);
        let ExtentBody::Blocks { blocks, .. } = &bench.extents(file.0)[0].body else {
            panic!("no blocks");
        };
        assert_eq!(blocks[5].state, BlockState::Missing);
        assert_eq!(blocks[5].service, BlockServiceId(0));
        assert_eq!(
            bench.certify(file, 0, proofs(&placed, 5)),
            Ok(ShardReply::Done)
        );
        bench.map = map_of(4);
        let refused = bench.add_extent(file, EXTENT_SIZE);
        assert_eq!(
            refused,
            Err(Refusal::NoSpace {
                healthy: 4,
                needed: 5
            })
        );
    }

    #[test]
    fn sizes_must_add_up() {
        let mut bench = Bench::new();
        let file = bench.create_transient();
        let good = extent_request(file, 0);
        let mut bad = [good.clone(), good.clone(), good.clone(), good];
        bad[0].checksums.pop();
        bad[1].size = 0;
        bad[2].layout.cell_bytes += 1;
        bad[3].layout.scheme.data = 255;
        for request in bad {
            let refused = bench.change(ShardChange::AddExtent(request));
            assert_eq!(refused, Err(Refusal::BadExtent(ExtentProblem::Sizes)));
        }
        let late = bench.add_extent(file, 1);
        assert_eq!(late, Err(Refusal::BadExtent(ExtentProblem::NotAtEnd)));
    }

    #[test]
    fn the_extent_before_can_be_certified_at_the_same_time() {
        let mut bench = Bench::new();
        let file = bench.create_transient();
        let placed = bench.add_extent(file, 0).unwrap();
        let mut request = extent_request(file, EXTENT_SIZE);
        request.certify = Some((0, proofs(&placed, 4)));
        let refused = bench.change(ShardChange::AddExtent(request.clone()));
        assert_eq!(refused, Err(Refusal::NotCertified));
        request.certify = Some((0, proofs(&placed, 6)));
        let Ok(ShardReply::Placed(next)) = bench.change(ShardChange::AddExtent(request)) else {
            panic!("refused");
        };
        bench.certify(file, EXTENT_SIZE, proofs(&next, 6)).unwrap();
        bench.link(file, "a").unwrap();
        assert_eq!(bench.stat(file.0).unwrap().size, 2 * EXTENT_SIZE);
    }

    #[test]
    fn a_file_stays_on_its_services_unless_they_are_excluded_or_gone() {
        let mut bench = Bench::new();
        let file = bench.create_transient();
        let services = |placed: &[PlacedBlock]| -> BTreeSet<BlockServiceId> {
            placed.iter().map(|block| block.facts.service).collect()
        };
        let first = services(&bench.add_extent(file, 0).unwrap());
        let second = services(&bench.add_extent(file, EXTENT_SIZE).unwrap());
        assert_eq!(first, second);
        let mut left: Vec<_> = first.iter().copied().collect();
        let gone = left.pop().unwrap();
        let at = bench.map.services.iter().position(|s| s.service == gone);
        bench.map.services[at.unwrap()].state = ServiceState::Stale;
        let mut request = extent_request(file, 2 * EXTENT_SIZE);
        request.exclude = vec![left.pop().unwrap()];
        let Ok(ShardReply::Placed(third)) = bench.change(ShardChange::AddExtent(request)) else {
            panic!("refused");
        };
        assert_eq!(services(&third).intersection(&first).count(), 4);
    }

    #[test]
    fn an_expired_file_takes_no_extent() {
        let mut bench = Bench::new();
        let file = bench.create_transient();
        bench.now = Time(bench.now.0 + eggs_proto::TRANSIENT_MS);
        assert_eq!(bench.add_extent(file, 0), Err(Refusal::Expired));
    }
}
