//! Appends an extent in blocks: names the blocks; the services were chosen by the leader.
//!
//! A block for which no failure domain was left gets a name, service 0 and the state `Missing` at once; it
//! has no [`PlacedBlock`] in the reply.

use std::collections::BTreeSet;

use eggs_proto::shard::{AddExtent, PlacedBlock, ShardReply};
use eggs_proto::{
    BlockFacts, BlockServiceId, BlockState, CERTIFICATE_MS, Checksum, EXCLUDE_MAX, Extent,
    ExtentBlock, ExtentBody, ExtentLayout, ExtentProblem, InvalidArgument, MacTag, StorageClass,
};

use super::certify_extent::certify;
use crate::state::{OpenTransient, State, block_facts};
use crate::step::{Reply, Step};

/// What the leader chose.
pub(crate) struct Placement {
    pub(crate) class: StorageClass,
    /// One for each block.
    pub(crate) services: Vec<Option<BlockServiceId>>,
    /// What it verified about the extent to be certified at the same time.
    pub(crate) certified: Option<Vec<Option<BlockFacts>>>,
}

pub(crate) fn apply(state: &mut State<'_>, request: AddExtent, placement: &Placement) -> Reply {
    let mut file = OpenTransient::open(state, request.file, request.cookie)?;
    check(&request, placement)?;
    file.check_end(request.offset, request.size)?;
    match (&request.certify, &placement.certified) {
        (Some((offset, _)), Some(proved)) => certify(state, &mut file, *offset, proved)?,
        (None, None) => {}
        (Some(_), None) | (None, Some(_)) => return Err(InvalidArgument::Encoding.into()),
    }
    let expiry = state.now.plus_ms(CERTIFICATE_MS);
    let named = placement.services.iter().zip(&request.checksums);
    let blocks: Vec<ExtentBlock> = named
        .map(|(service, checksum)| name_block(state, *service, *checksum))
        .collect();
    let placed = (0u8..)
        .zip(&blocks)
        .filter(|(_, block)| block.state == BlockState::Pending)
        .map(|(index, block)| place(index, &request.layout, block, expiry))
        .collect();
    let body = ExtentBody::Blocks {
        class: placement.class,
        layout: request.layout,
        blocks,
    };
    let extent = Extent {
        offset: request.offset,
        size: request.size,
        body,
    };
    file.append(state, extent, expiry)?;
    file.close(state)?;
    Ok(ShardReply::Placed(placed))
}

fn check(request: &AddExtent, placement: &Placement) -> Step<()> {
    let scheme = request.layout.scheme;
    if !request.layout.fits(request.size) || request.checksums.len() != scheme.blocks() {
        return Err(ExtentProblem::Sizes.into());
    }
    if request.exclude.len() > EXCLUDE_MAX {
        return Err(InvalidArgument::List.into());
    }
    let chosen: Vec<_> = placement.services.iter().flatten().collect();
    let distinct: BTreeSet<_> = chosen.iter().collect();
    if placement.services.len() != scheme.blocks()
        || distinct.len() != chosen.len()
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
