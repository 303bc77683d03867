//! Which blocks are to be made again, and where there is room for them.

use std::collections::BTreeSet;
use std::time::Duration;

use eggs_proto::{
    BlockServiceId, BlockServiceInfo, ClusterMap, Extent, ExtentBlock, ExtentBody, FailureDomainId,
    HEAL_BLOCKS_MAX, ServiceState,
};

/// Silent disks are waited for when they are more than this share of all: what is cut off is rather the registry, and
/// making all their blocks again would bring down the rest.
const SILENT_SHARE_MAX: usize = 3;
/// Bytes of blocks held in memory for one extent; a single block may have more.
const BATCH_BYTES_MAX: u64 = 64 << 20;

/// Services that are not counted on any more: those taken out for good, and those silent for longer than `patience`.
pub fn abandoned(map: &ClusterMap, patience: Duration) -> BTreeSet<BlockServiceId> {
    let patience_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
    let is_silent = |info: &&BlockServiceInfo| {
        info.state == ServiceState::Stale && map.time.ms_since(info.last_seen) >= patience_ms
    };
    let gone = |info: &&BlockServiceInfo| info.state == ServiceState::Decommissioned;
    let silent: BTreeSet<_> = ids(map.services.iter().filter(is_silent));
    let in_service = map.services.iter().filter(|info| !gone(info)).count();
    let mut abandoned = ids(map.services.iter().filter(gone));
    if silent.len() * SILENT_SHARE_MAX <= in_service {
        abandoned.extend(silent);
    }
    abandoned
}

fn ids<'a>(infos: impl Iterator<Item = &'a BlockServiceInfo>) -> BTreeSet<BlockServiceId> {
    infos.map(|info| info.service).collect()
}

/// Positions of the blocks of an extent that are missing or on abandoned services.
pub fn lost_blocks(extent: &Extent, abandoned: &BTreeSet<BlockServiceId>) -> Vec<u8> {
    let is_lost = |block: &ExtentBlock| {
        let service = block.whereabouts();
        service == BlockServiceId::NOWHERE || abandoned.contains(&service)
    };
    let numbered = (0u8..).zip(blocks_of(extent));
    numbered
        .filter(|(_, block)| is_lost(block))
        .map(|(index, _)| index)
        .collect()
}

/// The first of the services on which an extent has lost blocks: a file that is found under several is healed, and counted,
/// under this one only.
pub fn found_under(extent: &Extent, lost: &[u8]) -> Option<BlockServiceId> {
    let numbered = (0u8..).zip(blocks_of(extent));
    let of_lost = numbered.filter(|(index, _)| lost.contains(index));
    of_lost.map(|(_, block)| block.whereabouts()).min()
}

/// The blocks of an extent, if it is kept in blocks.
pub fn blocks_of(extent: &Extent) -> &[ExtentBlock] {
    match &extent.body {
        ExtentBody::Blocks { blocks, .. } => blocks,
        ExtentBody::Inline(_) | ExtentBody::Hole => &[],
    }
}

/// As many of these blocks as there is room for, and as are made at once. The shard decides; this is to spare it
/// questions whose answer is no.
pub fn next_batch(map: &ClusterMap, extent: &Extent, lost: &[u8]) -> Vec<u8> {
    let ExtentBody::Blocks {
        class,
        layout,
        blocks,
    } = &extent.body
    else {
        return Vec::new();
    };
    let kept = (0u8..)
        .zip(blocks)
        .filter(|(index, _)| !lost.contains(index));
    let occupied: BTreeSet<FailureDomainId> = kept
        .filter_map(|(_, block)| Some(map.service(block.whereabouts())?.domain))
        .collect();
    let takes = |info: &&BlockServiceInfo| {
        info.class == *class
            && info.state.takes_writes()
            && info.available_bytes >= layout.block_bytes()
            && !occupied.contains(&info.domain)
    };
    let free: BTreeSet<FailureDomainId> = map
        .services
        .iter()
        .filter(takes)
        .map(|info| info.domain)
        .collect();
    let in_memory = BATCH_BYTES_MAX / layout.block_bytes().max(1);
    let in_memory = usize::try_from(in_memory).unwrap_or(usize::MAX).max(1);
    let most = free.len().min(in_memory).min(HEAL_BLOCKS_MAX);
    // A block may not go where another one of the extent was, but where it was itself.
    let own_is_free = |index: &u8| {
        let block = blocks.get(usize::from(*index));
        let own = block.and_then(|block| map.service(block.whereabouts()));
        own.is_some_and(|info| free.contains(&info.domain))
    };
    let mut in_order = lost.to_vec();
    in_order.sort_by_key(|index| !own_is_free(index));
    in_order.truncate(most);
    in_order
}

#[cfg(test)]
mod tests {
    use eggs_proto::{
        BlockId, BlockState, Checksum, ExtentLayout, NodeId, ProcessRole, Scheme, StorageClass,
        Time,
    };

    use super::*;

    /// One service for each of so many failure domains, all heard of now.
    fn map_of(domains: u32) -> ClusterMap {
        let service = |number: u32| BlockServiceInfo {
            service: BlockServiceId(u64::from(number)),
            node: NodeId::new(ProcessRole::Blocks, number),
            domain: FailureDomainId(number),
            class: StorageClass::Flash,
            state: ServiceState::Active,
            capacity_bytes: 2 << 40,
            available_bytes: 1 << 40,
            used_bytes: 0,
            blocks: 0,
            last_seen: Time(1_000_000),
        };
        ClusterMap {
            time: Time(1_000_000),
            services: (1..=domains).map(service).collect(),
            ..ClusterMap::default()
        }
    }

    fn silence(map: &mut ClusterMap, services: std::ops::RangeInclusive<u64>, ms: u64) {
        for info in &mut map.services {
            if services.contains(&info.service.0) {
                info.state = ServiceState::Stale;
                info.last_seen = Time(map.time.0 - ms);
            }
        }
    }

    /// 2+2 on services 1 to 4.
    fn extent() -> Extent {
        let block = |number: u64| ExtentBlock {
            block: BlockId(number),
            service: BlockServiceId(number),
            checksum: Checksum(0),
            state: BlockState::Stored,
        };
        let scheme = Scheme { data: 2, parity: 2 };
        Extent {
            offset: 0,
            size: 5000,
            body: ExtentBody::Blocks {
                class: StorageClass::Flash,
                layout: ExtentLayout::for_size(5000, scheme, 1 << 20),
                blocks: (1..=4).map(block).collect(),
            },
        }
    }

    #[test]
    fn silent_disks_are_given_up_after_a_while_but_never_most_of_them() {
        let patience = Duration::from_secs(10);
        let mut map = map_of(9);
        silence(&mut map, 1..=3, 10_000);
        let three: BTreeSet<_> = (1..=3).map(BlockServiceId).collect();
        assert_eq!(abandoned(&map, patience), three);
        silence(&mut map, 3..=3, 9_999);
        assert_eq!(abandoned(&map, patience).len(), 2);
        silence(&mut map, 1..=4, 60_000);
        assert_eq!(abandoned(&map, patience).len(), 0);
        map.services[0].state = ServiceState::Decommissioned;
        assert_eq!(
            abandoned(&map, patience).len(),
            1,
            "a person has decided that"
        );
    }

    #[test]
    fn missing_and_abandoned_blocks_are_lost() {
        let mut extent = extent();
        let abandoned = BTreeSet::from([BlockServiceId(3), BlockServiceId(9)]);
        assert_eq!(lost_blocks(&extent, &abandoned), [2]);
        if let ExtentBody::Blocks { blocks, .. } = &mut extent.body {
            blocks[0].state = BlockState::Missing;
        }
        assert_eq!(lost_blocks(&extent, &abandoned), [0, 2]);
        let nowhere = Some(BlockServiceId::NOWHERE);
        assert_eq!(found_under(&extent, &[0, 2]), nowhere);
        assert_eq!(found_under(&extent, &[3, 2]), Some(BlockServiceId(3)));
        assert_eq!(found_under(&extent, &[]), None);
        extent.body = ExtentBody::Hole;
        assert!(lost_blocks(&extent, &abandoned).is_empty());
    }

    #[test]
    fn a_batch_has_room_elsewhere() {
        let mut map = map_of(6);
        let on_own_disks = next_batch(&map, &extent(), &[0, 1, 3]);
        assert_eq!(on_own_disks, [0, 1, 3], "these have only rotted");
        silence(&mut map, 1..=4, 0);
        assert_eq!(next_batch(&map, &extent(), &[0, 1, 3]), [0, 1]);
        map.services[5].available_bytes = 0;
        assert_eq!(next_batch(&map, &extent(), &[0, 1, 3]), [0]);
        map.services[4].domain = FailureDomainId(2);
        assert_eq!(next_batch(&map, &extent(), &[0]), [0; 0]);
        assert_eq!(
            next_batch(&map, &extent(), &[1]),
            [1],
            "its own domain is free"
        );
    }
}
