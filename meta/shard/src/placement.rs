//! Which block services take the blocks of an extent.
//!
//! Every block goes to another failure domain. Services that keep earlier extents of the file are taken
//! first, so that a file stays on few services; the rest is drawn at random, weighted by free space and by how a disk
//! has been lately ([`share`]), without replacement. The order is shuffled at the end, so that no service is always the parity of a file.
//!
//! The class asked for is used if it has enough failure domains for all blocks; otherwise the other class if that has;
//! otherwise whichever has enough for a degraded extent, the one asked for first. Data blocks are placed before parity.
//!
//! With many services an extent is drawn without putting all of them in order: see `sample`.
//!
//! **Invariant:** a pure function of its arguments; the caller brings the entropy.

use std::collections::BTreeSet;

use eggs_machine::bugs::{Bug, planted};
use eggs_proto::{
    BlockServiceId, BlockServiceInfo, ClusterMap, FailureDomainId, MostFree, PLACEMENT_SLACK_BYTES,
    Refusal, Scheme, StorageClass,
};

use crate::random::Random;
use share::Shares;

/// What is to be placed where.
pub(crate) struct Demand<'a> {
    /// Class asked for.
    pub(crate) class: StorageClass,
    /// Bytes of a block.
    pub(crate) block_bytes: u64,
    /// Services to be preferred.
    pub(crate) sticky: &'a [BlockServiceId],
    /// Services not to be chosen.
    pub(crate) exclude: &'a [BlockServiceId],
    /// Failure domains that hold blocks of the extent already.
    pub(crate) occupied: &'a BTreeSet<FailureDomainId>,
    /// Whether the leader could sign for a service.
    pub(crate) usable: &'a dyn Fn(BlockServiceId) -> bool,
    /// The most free space of any disk.
    pub(crate) most_free: MostFree,
    /// How much of its weight a service has.
    pub(crate) shares: &'a Shares,
}

/// Services for all blocks of a new extent: `None` for the last ones where failure domains ran out.
pub(crate) fn place_extent(
    map: &ClusterMap,
    demand: &Demand<'_>,
    scheme: Scheme,
    random: &mut Random,
) -> Result<(StorageClass, Vec<Option<BlockServiceId>>), Refusal> {
    let (wanted, needed) = (scheme.blocks(), scheme.blocks_min());
    if let Some(mut chosen) = sample::sample(map, demand, wanted, random) {
        random.shuffle(&mut chosen);
        return Ok((demand.class, chosen.into_iter().map(Some).collect()));
    }
    let asked = domains(map, demand, demand.class);
    let other = domains(map, demand, other_class(demand.class));
    let (class, candidates) = if asked.len() >= wanted || other.len() < needed {
        (demand.class, asked)
    } else if other.len() >= wanted || asked.len() < needed {
        (other_class(demand.class), other)
    } else {
        (demand.class, asked)
    };
    if candidates.len() < needed {
        return Err(crate::ops::replace_blocks::too_few(
            candidates.len(),
            needed,
        ));
    }
    let mut chosen = draw(candidates, demand, wanted, random);
    random.shuffle(&mut chosen);
    let missing = wanted - chosen.len();
    let placed = chosen.into_iter().map(Some);
    Ok((
        class,
        placed.chain(std::iter::repeat_n(None, missing)).collect(),
    ))
}

/// Services for some blocks of an extent of a class: `None` for the last ones where failure domains ran out.
pub(crate) fn place_some(
    map: &ClusterMap,
    demand: &Demand<'_>,
    count: usize,
    random: &mut Random,
) -> Vec<Option<BlockServiceId>> {
    let chosen = sample::sample(map, demand, count, random)
        .unwrap_or_else(|| draw(domains(map, demand, demand.class), demand, count, random));
    let missing = count - chosen.len();
    let placed = chosen.into_iter().map(Some);
    placed.chain(std::iter::repeat_n(None, missing)).collect()
}

impl Demand<'_> {
    /// Whether a service of this class could take a block.
    fn fits(&self, info: &BlockServiceInfo, class: StorageClass) -> bool {
        let space = self.block_bytes.saturating_add(PLACEMENT_SLACK_BYTES);
        info.class == class
            && info.state.takes_writes()
            && info.available_bytes >= space
            && !self.exclude.contains(&info.service)
            && !self.occupied.contains(&info.domain)
            && (self.usable)(info.service)
    }

    /// How likely a service is to be drawn.
    fn weight(&self, info: &BlockServiceInfo) -> u128 {
        self.shares.of(info.service).weight(info.available_bytes)
    }
}

fn other_class(class: StorageClass) -> StorageClass {
    match class {
        StorageClass::Hdd => StorageClass::Flash,
        StorageClass::Flash => StorageClass::Hdd,
    }
}

/// The services of one failure domain that could take a block.
struct Domain<'a> {
    services: Vec<&'a BlockServiceInfo>,
}

impl Domain<'_> {
    fn weight(&self, demand: &Demand<'_>) -> u128 {
        let weights = self.services.iter().map(|info| demand.weight(info));
        weights.sum()
    }
}

fn domains<'a>(map: &'a ClusterMap, demand: &Demand<'_>, class: StorageClass) -> Vec<Domain<'a>> {
    let mut fitting: Vec<&BlockServiceInfo> = map
        .services
        .iter()
        .filter(|info| demand.fits(info, class))
        .collect();
    fitting.sort_by_key(|info| (info.domain, info.service));
    fitting
        .chunk_by(|a, b| a.domain == b.domain)
        .map(|services| Domain {
            services: services.to_vec(),
        })
        .collect()
}

/// Up to `count` services of distinct domains.
fn draw(
    mut candidates: Vec<Domain<'_>>,
    demand: &Demand<'_>,
    count: usize,
    random: &mut Random,
) -> Vec<BlockServiceId> {
    let mut chosen = Vec::with_capacity(count);
    for sticky in demand.sticky {
        let holds = |domain: &Domain<'_>| domain.services.iter().any(|s| s.service == *sticky);
        if chosen.len() < count
            && let Some(at) = candidates.iter().position(holds)
        {
            candidates.swap_remove(at);
            chosen.push(*sticky);
        }
    }
    let mut weights: Vec<u128> = candidates
        .iter()
        .map(|domain| domain.weight(demand))
        .collect();
    while chosen.len() < count
        && let Some(at) = random.pick(&weights)
    {
        let domain = if planted(Bug::ServiceTakenTwice) {
            Domain {
                services: candidates[at].services.clone(),
            }
        } else {
            weights.swap_remove(at);
            candidates.swap_remove(at)
        };
        let within: Vec<u128> = domain
            .services
            .iter()
            .map(|info| demand.weight(info))
            .collect();
        let service = random.pick(&within).and_then(|at| domain.services.get(at));
        chosen.extend(service.map(|info| info.service));
    }
    chosen
}

mod sample;
pub(crate) mod share;
#[cfg(test)]
mod simulation;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use eggs_proto::ServiceState;

    use super::*;
    use crate::testing::map_of;

    const SCHEME: Scheme = Scheme { data: 4, parity: 2 };
    static NO_SHARES: Shares = Shares::ALL_FULL;

    fn demand<'a>(occupied: &'a BTreeSet<FailureDomainId>) -> Demand<'a> {
        Demand {
            class: StorageClass::Hdd,
            block_bytes: 1 << 20,
            sticky: &[],
            exclude: &[],
            occupied,
            usable: &|_| true,
            most_free: MostFree::default(), // small maps are put in order
            shares: &NO_SHARES,
        }
    }

    fn seeded(seed: u8) -> Random {
        Random::new(&[seed; 32])
    }

    type Placed = Result<(StorageClass, Vec<Option<BlockServiceId>>), Refusal>;

    fn place(map: &ClusterMap, seed: u8) -> Placed {
        place_extent(map, &demand(&BTreeSet::new()), SCHEME, &mut seeded(seed))
    }

    /// Sets the state of the HDD service of each domain from `first` on.
    fn set_state(map: &mut ClusterMap, first: u32, state: ServiceState) {
        for info in &mut map.services {
            if info.class == StorageClass::Hdd && info.domain.0 >= first {
                info.state = state;
            }
        }
    }

    #[test]
    fn domains_are_distinct_and_seeds_differ() {
        let map = map_of(16);
        let mut all = BTreeSet::new();
        for seed in 0..50 {
            let (class, services) = place(&map, seed).unwrap();
            assert_eq!(class, StorageClass::Hdd);
            let infos = services.iter().map(|s| map.service(s.unwrap()).unwrap());
            let domains: BTreeSet<_> = infos.map(|info| info.domain).collect();
            assert_eq!(domains.len(), 6);
            all.insert(services);
        }
        assert_eq!(all.len(), 50);
    }

    #[test]
    fn only_services_that_take_writes_and_have_space_and_a_key_are_chosen() {
        let mut map = map_of(16);
        set_state(&mut map, 12, ServiceState::NoWrite);
        for info in &mut map.services {
            if info.domain.0 < 2 {
                info.available_bytes = PLACEMENT_SLACK_BYTES;
            }
        }
        let empty = BTreeSet::new();
        for seed in 0..50 {
            let demand = Demand {
                exclude: &[BlockServiceId(3)],
                usable: &|service| service != BlockServiceId(4),
                ..demand(&empty)
            };
            let (_, services) = place_extent(&map, &demand, SCHEME, &mut seeded(seed)).unwrap();
            for service in services.into_iter().flatten() {
                assert!((5..=12).contains(&service.0), "{service:?}");
            }
        }
    }

    #[test]
    fn what_a_block_leaves_of_a_disk_is_no_less_than_the_slack() {
        let mut map = map_of(16);
        set_state(&mut map, 6, ServiceState::NoWrite);
        let empty = BTreeSet::new();
        let least = demand(&empty).block_bytes + PLACEMENT_SLACK_BYTES;
        for (available, expected) in [(least, 6), (least - 1, 5)] {
            map.services[0].available_bytes = available;
            let placed = place_some(&map, &demand(&empty), 6, &mut seeded(1));
            assert_eq!(placed.into_iter().flatten().count(), expected);
        }
    }

    #[test]
    fn services_of_earlier_extents_come_first_take_their_domain_and_any_place() {
        let map = map_of(7);
        let sticky = [2, 5].map(BlockServiceId);
        let empty = BTreeSet::new();
        let demand = Demand {
            sticky: &sticky,
            ..demand(&empty)
        };
        let mut places = BTreeSet::new();
        for seed in 0..100 {
            let placed = place_extent(&map, &demand, SCHEME, &mut seeded(seed)).unwrap();
            let services: Vec<_> = placed.1.into_iter().flatten().collect();
            let domain = |service: &BlockServiceId| map.service(*service).unwrap().domain;
            let domains: BTreeSet<_> = services.iter().map(domain).collect();
            assert_eq!((services.len(), domains.len()), (6, 6));
            let place = |sticky| services.iter().position(|service| *service == sticky);
            places.extend(sticky.map(|sticky| place(sticky).unwrap()));
        }
        assert_eq!(places.len(), 6, "none is always data, or always parity");
    }

    #[test]
    fn load_follows_free_space() {
        let mut map = map_of(16);
        for info in &mut map.services {
            if info.domain.0 == 0 {
                info.available_bytes /= 10;
            }
        }
        let mut counts: BTreeMap<BlockServiceId, u32> = BTreeMap::new();
        for seed in 0..=255 {
            for service in place(&map, seed).unwrap().1.into_iter().flatten() {
                *counts.entry(service).or_default() += 1;
            }
        }
        let small = counts.remove(&BlockServiceId(1)).unwrap_or(0);
        let others = counts.values().copied().min().unwrap();
        assert!(small * 4 < others, "{small} and {others}");
        assert_eq!(counts.len(), 15);
    }

    #[test]
    fn ailing_disks_get_less_in_small_maps_too_and_so_they_do_within_their_domain() {
        let mut map = map_of(16);
        let second = |info: &&mut BlockServiceInfo| info.domain.0 == 1;
        map.services
            .iter_mut()
            .filter(second)
            .for_each(|info| info.class = StorageClass::Hdd);
        let twins = map.services.iter().filter(|info| info.domain.0 == 1);
        let twins: Vec<BlockServiceId> = twins.map(|info| info.service).collect();
        let shares = Shares::least(&[BlockServiceId(1), twins[0]]);
        let empty = BTreeSet::new();
        let demand = Demand {
            shares: &shares,
            ..demand(&empty)
        };
        let mut counts: BTreeMap<BlockServiceId, u32> = BTreeMap::new();
        for seed in 0..=255 {
            let placed = place_extent(&map, &demand, SCHEME, &mut seeded(seed));
            for service in placed.unwrap().1.into_iter().flatten() {
                *counts.entry(service).or_default() += 1;
            }
        }
        let ailing = [BlockServiceId(1), twins[0]].map(|it| counts.remove(&it).unwrap_or(0));
        let others = counts.values().copied().min().unwrap();
        assert!(
            ailing.iter().all(|count| count * 4 < others),
            "{ailing:?} and {others}"
        );
    }

    #[test]
    fn the_other_class_helps_out_before_redundancy_is_given_up() {
        let mut map = map_of(16);
        set_state(&mut map, 5, ServiceState::Stale);
        assert_eq!(place(&map, 1).unwrap().0, StorageClass::Flash);
        map.services.retain(|info| info.domain.0 < 5);
        let (class, services) = place(&map, 1).unwrap();
        assert_eq!(class, StorageClass::Hdd);
        assert_eq!(services.iter().flatten().count(), 5);
        assert_eq!(services.last(), Some(&None));
        set_state(&mut map, 4, ServiceState::Stale);
        assert_eq!(place(&map, 1).unwrap().0, StorageClass::Flash);
        map.services.retain(|info| info.domain.0 < 4);
        let refused = Refusal::NoSpace {
            healthy: 4,
            needed: 5,
        };
        assert_eq!(place(&map, 1), Err(refused));
        assert!(place(&ClusterMap::default(), 1).is_err());
    }

    #[test]
    fn replacements_keep_out_of_occupied_domains() {
        let map = map_of(8);
        let occupied: BTreeSet<_> = (0..6).map(FailureDomainId).collect();
        let services = place_some(&map, &demand(&occupied), 3, &mut seeded(1));
        assert_eq!(services[2], None);
        let mut chosen: Vec<_> = services.into_iter().flatten().collect();
        chosen.sort();
        assert_eq!(chosen, [BlockServiceId(7), BlockServiceId(8)]);
    }

    #[test]
    fn two_disks_of_a_domain_share_its_turn() {
        let mut map = map_of(3);
        for info in &mut map.services {
            info.class = StorageClass::Hdd;
        }
        let scheme = Scheme { data: 1, parity: 2 };
        let empty = BTreeSet::new();
        let mut all = BTreeSet::new();
        for seed in 0..50 {
            let placed = place_extent(&map, &demand(&empty), scheme, &mut seeded(seed));
            let services = placed.unwrap().1;
            let domains: BTreeSet<_> = services
                .iter()
                .map(|service| map.service(service.unwrap()).unwrap().domain)
                .collect();
            assert_eq!(domains.len(), 3);
            all.extend(services);
        }
        assert_eq!(all.len(), 6);
    }
}
