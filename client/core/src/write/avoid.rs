//! Which services new blocks are kept from, and asking those whether they are well again.
//!
//! **Invariant:** a service that is only slow is never left out at the cost of redundancy.

use std::collections::BTreeMap;

use eggs_proto::{
    BlockServiceId, ClusterMap, EXCLUDE_MAX, FailureDomainId, PLACEMENT_SLACK_BYTES, StorageClass,
};

use crate::client::Inner;
use crate::suspects::{Avoided, NO_BLOCK, probe};

/// What an extent needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs {
    pub(super) class: StorageClass,
    pub(super) block_bytes: u64,
    /// Blocks, each of a failure domain of its own.
    pub(super) blocks: usize,
}

/// Services to avoid; probes those that it is time for.
pub(super) fn avoided(inner: &Inner) -> Avoided {
    let avoided = inner.suspects.avoided();
    for service in &avoided.probes_due {
        probe(inner, *service, NO_BLOCK);
    }
    avoided
}

/// The services that a new extent should not be placed on: all that failed, and those that are slow as long as there are
/// enough failure domains without them.
pub(super) fn exclusions(map: &ClusterMap, needs: Needs, avoided: &Avoided) -> Vec<BlockServiceId> {
    let mut exclude = avoided.failed.clone();
    if avoided.slow.is_empty() {
        return exclude;
    }
    let mut domains: BTreeMap<FailureDomainId, usize> = BTreeMap::new();
    let space = needs.block_bytes.saturating_add(PLACEMENT_SLACK_BYTES);
    let usable = map.services.iter().filter(|info| {
        info.class == needs.class
            && info.state.takes_writes()
            && info.available_bytes >= space
            && avoided.failed.binary_search(&info.service).is_err()
    });
    for info in usable.clone() {
        *domains.entry(info.domain).or_default() += 1;
    }
    let mut left = domains.len();
    for info in usable.filter(|info| avoided.slow.binary_search(&info.service).is_ok()) {
        let of_domain = domains.entry(info.domain).or_default();
        let takes_one = usize::from(*of_domain == 1);
        if exclude.len() < EXCLUDE_MAX && left >= needs.blocks + takes_one {
            exclude.push(info.service);
            *of_domain -= 1;
            left -= takes_one;
        }
    }
    exclude.sort_unstable();
    exclude
}

#[cfg(test)]
mod tests {
    use eggs_proto::{BlockServiceInfo, NodeId, ProcessRole, ServiceState, Time};

    use super::*;

    /// Two services for each domain: 10 and 11 in domain 1, 20 and 21 in domain 2, and so on.
    fn map(domains: u32) -> ClusterMap {
        let service = |domain: u32, disk: u32| BlockServiceInfo {
            service: BlockServiceId(u64::from(domain * 10 + disk)),
            node: NodeId::new(ProcessRole::Blocks, domain),
            domain: FailureDomainId(domain),
            class: StorageClass::Hdd,
            state: ServiceState::Active,
            capacity_bytes: 1 << 40,
            available_bytes: 1 << 40,
            used_bytes: 0,
            blocks: 0,
            last_seen: Time(0),
        };
        let services = (1..=domains).flat_map(|domain| [service(domain, 0), service(domain, 1)]);
        ClusterMap {
            services: services.collect(),
            ..ClusterMap::default()
        }
    }

    fn excluded(map: &ClusterMap, failed: &[u64], slow: &[u64]) -> Vec<u64> {
        let ids = |ids: &[u64]| ids.iter().map(|id| BlockServiceId(*id)).collect();
        let avoided = Avoided {
            failed: ids(failed),
            slow: ids(slow),
            probes_due: Vec::new(),
        };
        let needs = Needs {
            class: StorageClass::Hdd,
            block_bytes: 1 << 20,
            blocks: 3,
        };
        let excluded = exclusions(map, needs, &avoided);
        excluded.into_iter().map(|service| service.0).collect()
    }

    #[test]
    fn the_slow_are_left_out_while_there_are_enough_domains() {
        let four = map(4);
        assert_eq!(excluded(&four, &[], &[]), []);
        assert_eq!(excluded(&four, &[], &[20, 21]), [20, 21]);
        // One of the second domain has to stay in use.
        assert_eq!(excluded(&four, &[], &[10, 11, 20, 21]), [10, 11, 20]);
        assert_eq!(excluded(&map(3), &[], &[10, 11, 20, 21]), [10, 20]);
    }

    #[test]
    fn what_failed_is_left_out_in_any_case_and_counts_for_nothing() {
        assert_eq!(excluded(&map(3), &[10, 11, 20, 21], &[]), [10, 11, 20, 21]);
        assert_eq!(excluded(&map(4), &[10, 11], &[20, 21]), [10, 11, 20]);
        assert_eq!(excluded(&map(4), &[10], &[11, 20, 21]), [10, 11, 20]);
    }

    #[test]
    fn domains_that_are_full_closed_or_of_another_class_do_not_count() {
        let slow = [10, 11];
        for spoil in [
            (|info| info.available_bytes = 1 << 20) as fn(&mut BlockServiceInfo),
            |info| info.state = ServiceState::NoWrite,
            |info| info.class = StorageClass::Flash,
        ] {
            let mut map = map(4);
            assert_eq!(excluded(&map, &[], &slow), [10, 11]);
            let of_two = map.services.iter_mut().filter(|info| info.domain.0 == 2);
            of_two.for_each(spoil);
            assert_eq!(excluded(&map, &[], &slow), [10]);
        }
    }

    #[test]
    fn the_list_is_bounded() {
        let many = map(1000);
        let slow: Vec<u64> = many.services.iter().map(|info| info.service.0).collect();
        assert_eq!(excluded(&many, &[], &slow).len(), EXCLUDE_MAX);
    }
}
