//! How many blocks that are slow where they are could go somewhere else.
//!
//! **Invariant:** no more blocks move than there are places for: one that moves in vain is lost.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use eggs_proto::shard::PlacedBlock;
use eggs_proto::{BlockServiceId, ClusterMap, FailureDomainId, PLACEMENT_SLACK_BYTES};

/// Whether there was one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spare {
    Taken,
    None,
}

/// Failure domains that have no block of the extent and may take one.
#[derive(Debug)]
pub(super) struct Spares(AtomicUsize);

impl Spares {
    /// Counts them, up to one for each block: domains with a disk of the same class that takes writes, has room, and is not to be
    /// avoided.
    pub(super) fn of(map: &ClusterMap, placed: &[PlacedBlock], avoid: &[BlockServiceId]) -> Self {
        let infos = || placed.iter().filter_map(|p| map.service(p.facts.service));
        let mut used: BTreeSet<FailureDomainId> = infos().map(|info| info.domain).collect();
        let Some(class) = infos().map(|info| info.class).next() else {
            return Self(AtomicUsize::new(0));
        };
        let largest = placed.iter().map(|p| p.facts.size).max().unwrap_or(0);
        let space = largest.saturating_add(PLACEMENT_SLACK_BYTES);
        let count = map
            .services
            .iter()
            .filter(|info| {
                info.class == class
                    && info.state.takes_writes()
                    && info.available_bytes >= space
                    && !avoid.contains(&info.service)
                    && used.insert(info.domain)
            })
            .take(placed.len())
            .count();
        Self(AtomicUsize::new(count))
    }

    /// Takes one, if any is left.
    pub(super) fn take(&self) -> Spare {
        let one_less = |left: usize| left.checked_sub(1);
        match self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
        {
            Ok(_) => Spare::Taken,
            Err(_) => Spare::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use eggs_proto::{
        BlockFacts, BlockId, BlockServiceInfo, Checksum, MacTag, NodeId, ProcessRole, ServiceState,
        StorageClass, Time,
    };

    use super::*;

    fn service(id: u64, domain: u32, available_bytes: u64) -> BlockServiceInfo {
        BlockServiceInfo {
            service: BlockServiceId(id),
            node: NodeId::new(ProcessRole::Blocks, domain),
            domain: FailureDomainId(domain),
            class: StorageClass::Hdd,
            state: ServiceState::Active,
            capacity_bytes: 1 << 40,
            available_bytes,
            used_bytes: 0,
            blocks: 0,
            last_seen: Time(0),
        }
    }

    fn placed(services: &[u64]) -> Vec<PlacedBlock> {
        let place = |(index, service): (usize, &u64)| PlacedBlock {
            index: index as u8,
            facts: BlockFacts {
                service: BlockServiceId(*service),
                block: BlockId(index as u64 + 1),
                size: 1 << 20,
                checksum: Checksum(0),
            },
            expiry: Time(0),
            certificate: MacTag([0; 16]),
        };
        services.iter().enumerate().map(place).collect()
    }

    #[test]
    fn each_free_domain_takes_one_block() {
        const ROOM: u64 = 1 << 40;
        let services = [
            service(10, 1, ROOM),
            service(11, 1, ROOM), // of a domain that has a block
            service(20, 2, ROOM),
            service(30, 3, ROOM),
            service(31, 3, ROOM), // counted already
            service(40, 4, 1),    // full
            service(50, 5, ROOM),
        ];
        let map = ClusterMap {
            services: services.to_vec(),
            ..ClusterMap::default()
        };
        let count = |placed_on: &[u64], avoid: &[BlockServiceId]| {
            let spares = Spares::of(&map, &placed(placed_on), avoid);
            std::iter::from_fn(|| (spares.take() == Spare::Taken).then_some(())).count()
        };
        assert_eq!(count(&[10, 20], &[]), 2);
        assert_eq!(count(&[10, 20], &[BlockServiceId(50)]), 1);
        assert_eq!(
            count(&[10, 20], &[BlockServiceId(30), BlockServiceId(50)]),
            1
        );
        assert_eq!(count(&[10, 20, 30, 50], &[]), 0);
        assert_eq!(count(&[10], &[]), 1, "no more than there are blocks");
        assert_eq!(count(&[], &[]), 0);
    }
}
