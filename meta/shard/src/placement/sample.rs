//! Drawing services from a large map without putting it in order.
//!
//! A service is picked at random, kept with a probability proportional to its weight (free space, mostly), and dropped if it does not
//! fit or its failure domain is taken. What is kept has the distribution of drawing failure domains by their free
//! space and services within them by theirs (rejection sampling, J. von Neumann, 1951), at the cost of a few
//! tries for each block. The most free space of any disk is known with the map ([`MostFree`]).
//!
//! **Invariant:** gives up after a bounded number of tries; the caller then looks at everything.

use std::collections::BTreeSet;

use eggs_proto::{BlockServiceId, ClusterMap, FailureDomainId};

use super::Demand;
use crate::random::Random;

/// Smaller maps are put in order: that costs little there, and gives the same answer wherever space is short.
const SERVICES_MIN: usize = 512;
/// Tries for each block. A fleet whose services have on average a tenth of the space of the largest needs ten.
const TRIES_PER_BLOCK: usize = 64;

/// As many services of the class asked for, of distinct failure domains; `None` if they were not found easily.
pub(super) fn sample(
    map: &ClusterMap,
    demand: &Demand<'_>,
    count: usize,
    random: &mut Random,
) -> Option<Vec<BlockServiceId>> {
    if map.services.len() < SERVICES_MIN {
        return None;
    }
    let mut drawn = Drawn::default();
    for sticky in demand.sticky {
        if drawn.services.len() < count
            && let Some(info) = map.service(*sticky)
            && demand.fits(info, demand.class)
        {
            drawn.add(info.service, info.domain);
        }
    }
    let most = demand.most_free.of_class(demand.class).max(1);
    for _ in 0..count * TRIES_PER_BLOCK {
        if drawn.services.len() >= count {
            break;
        }
        let at = random.below(map.services.len() as u128);
        let info = map.services.get(usize::try_from(at).ok()?)?;
        // The cheap question first; it has to be asked of all alike.
        let lucky = random.below(u128::from(most)) < demand.weight(info);
        if lucky && demand.fits(info, demand.class) {
            drawn.add(info.service, info.domain);
        }
    }
    (drawn.services.len() >= count).then_some(drawn.services)
}

/// What was drawn so far.
#[derive(Default)]
struct Drawn {
    services: Vec<BlockServiceId>,
    domains: BTreeSet<FailureDomainId>,
}

impl Drawn {
    fn add(&mut self, service: BlockServiceId, domain: FailureDomainId) {
        if self.domains.insert(domain) {
            self.services.push(service);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use eggs_proto::{MostFree, ServiceState, StorageClass};

    use super::*;
    use crate::placement::share::Shares;
    use crate::testing::map_of;

    static NO_SHARES: Shares = Shares::ALL_FULL;

    fn demand<'a>(map: &ClusterMap, occupied: &'a BTreeSet<FailureDomainId>) -> Demand<'a> {
        Demand {
            class: StorageClass::Hdd,
            block_bytes: 1 << 20,
            sticky: &[],
            exclude: &[],
            occupied,
            usable: &|_| true,
            most_free: MostFree::of(map),
            shares: &NO_SHARES,
        }
    }

    /// A large map in which services are numbered as they come.
    fn large() -> ClusterMap {
        let mut map = map_of(400);
        for (number, info) in (1u64..).zip(&mut map.services) {
            info.service = BlockServiceId(number);
        }
        map
    }

    #[test]
    fn one_by_one_and_in_order_draw_alike() {
        let mut map = large();
        for info in &mut map.services {
            // Four of eight domains have a tenth of the space; two disks of each class share a domain.
            info.domain = FailureDomainId(info.domain.0 / 2);
            if info.domain.0.is_multiple_of(2) {
                info.available_bytes /= 10;
            }
        }
        let empty = BTreeSet::new();
        let mut random = Random::new(&[3; 32]);
        let mut counts: BTreeMap<bool, [u32; 2]> = BTreeMap::new();
        for _ in 0..4000 {
            let one = sample(&map, &demand(&map, &empty), 6, &mut random).unwrap();
            let candidates = super::super::domains(&map, &demand(&map, &empty), StorageClass::Hdd);
            let other = super::super::draw(candidates, &demand(&map, &empty), 6, &mut random);
            for (way, services) in [one, other].into_iter().enumerate() {
                assert_eq!(services.len(), 6);
                for service in services {
                    let info = map.service(service).unwrap();
                    assert_eq!(info.class, StorageClass::Hdd);
                    counts.entry(info.domain.0.is_multiple_of(2)).or_default()[way] += 1;
                }
            }
        }
        for [one, other] in counts.into_values() {
            let relative = f64::from(one) / f64::from(other);
            assert!((0.9..1.1).contains(&relative), "{one} and {other}");
        }
    }

    #[test]
    fn what_does_not_fit_is_never_drawn() {
        let mut map = large();
        for info in &mut map.services {
            if info.domain.0.is_multiple_of(3) {
                info.state = ServiceState::NoWrite;
            }
        }
        let occupied: BTreeSet<_> = (0..100).map(FailureDomainId).collect();
        let sticky: Vec<_> = map
            .services
            .iter()
            .rev()
            .take(40)
            .map(|info| info.service)
            .collect();
        let demand = Demand {
            sticky: &sticky,
            exclude: &[sticky[1], sticky[3]],
            usable: &|service| !service.0.is_multiple_of(7),
            ..demand(&map, &occupied)
        };
        let mut random = Random::new(&[4; 32]);
        for count in [1, 14, 60] {
            let chosen = sample(&map, &demand, count, &mut random).unwrap();
            assert_eq!(chosen.len(), count);
            let infos = chosen.iter().map(|service| map.service(*service).unwrap());
            assert!(
                infos
                    .clone()
                    .all(|info| demand.fits(info, StorageClass::Hdd))
            );
            let domains: BTreeSet<_> = infos.map(|info| info.domain).collect();
            assert_eq!(domains.len(), count);
        }
    }

    #[test]
    fn where_it_is_hard_everything_is_looked_at() {
        let empty = BTreeSet::new();
        let mut random = Random::new(&[5; 32]);
        assert_eq!(
            sample(&map_of(16), &demand(&map_of(16), &empty), 6, &mut random),
            None
        );
        let mut map = large();
        for info in &mut map.services {
            if info.domain.0 >= 5 {
                info.state = ServiceState::Stale;
            }
        }
        assert_eq!(sample(&map, &demand(&map, &empty), 6, &mut random), None);
        let none = ClusterMap::default();
        assert_eq!(sample(&none, &demand(&none, &empty), 1, &mut random), None);
    }
}
