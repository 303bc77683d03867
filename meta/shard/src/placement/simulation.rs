//! Ten thousand disks of all sizes and ages: does what is placed keep them in balance, and does what is lost with a host come back
//! from everywhere?

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use eggs_proto::registry::{DiskCondition, DiskPace, Latency};
use eggs_proto::{BlockServiceInfo, NodeId, ProcessRole, ServiceState, Time};

use super::share::DiskWatch;

use super::*;

const HOSTS: u32 = 500;
const DISKS_PER_HOST: u32 = 20;
const TERABYTE: u64 = 1_000_000_000_000;
/// What one block of the simulation stands for: very many, so that disks fill in a few seconds.
const BLOCK: u64 = 100_000_000_000;
const EXTENTS: usize = 12_000;
const SCHEME: Scheme = Scheme {
    data: 10,
    parity: 4,
};

/// Old disks are small and nearly full, new ones large and empty; a host has some of each.
fn fleet() -> ClusterMap {
    let services = (0..HOSTS * DISKS_PER_HOST).map(|number| {
        let (terabytes, used_percent) = match number % 4 {
            0 => (4, 85),
            1 => (8, 60),
            2 => (16, 30),
            _ => (20, 0),
        };
        let capacity_bytes = terabytes * TERABYTE;
        let used_bytes = capacity_bytes / 100 * used_percent;
        let host = number / DISKS_PER_HOST;
        BlockServiceInfo {
            service: BlockServiceId(u64::from(number) + 1),
            node: NodeId::new(ProcessRole::Blocks, host),
            domain: FailureDomainId(host),
            class: StorageClass::Hdd,
            state: ServiceState::Active,
            capacity_bytes,
            available_bytes: capacity_bytes - used_bytes,
            used_bytes,
            blocks: 0,
            last_seen: Time(0),
        }
    });
    ClusterMap {
        services: services.collect(),
        ..ClusterMap::default()
    }
}

/// Places extent after extent; the map follows, as heartbeats would have it.
fn fill(map: &mut ClusterMap, shares: &Shares) -> Vec<Vec<BlockServiceId>> {
    let mut random = Random::new(&[7; 32]);
    let empty = BTreeSet::new();
    let mut extents = Vec::with_capacity(EXTENTS);
    for _ in 0..EXTENTS {
        let demand = Demand {
            class: StorageClass::Hdd,
            block_bytes: BLOCK,
            sticky: &[],
            exclude: &[],
            occupied: &empty,
            usable: &|_| true,
            most_free: MostFree::of(map),
            shares,
        };
        let (_, placed) = place_extent(map, &demand, SCHEME, &mut random).unwrap();
        let placed: Vec<_> = placed.into_iter().flatten().collect();
        for service in &placed {
            let info = &mut map.services[service.0 as usize - 1];
            info.available_bytes -= BLOCK;
            info.used_bytes += BLOCK;
        }
        extents.push(placed);
    }
    extents
}

fn host(service: BlockServiceId) -> u32 {
    (service.0 as u32 - 1) / DISKS_PER_HOST
}

fn hosts_of(extent: &[BlockServiceId]) -> BTreeSet<u32> {
    extent.iter().map(|service| host(*service)).collect()
}

#[test]
fn disks_of_all_sizes_and_ages_fill_evenly_and_a_lost_host_is_rebuilt_from_everywhere() {
    let before = fleet();
    let mut map = before.clone();
    let extents = fill(&mut map, &Shares::ALL_FULL);
    for extent in &extents {
        assert_eq!(
            hosts_of(extent).len(),
            SCHEME.blocks(),
            "hosts are distinct"
        );
    }
    balanced(&before, &map);
    spread(&extents);
}

/// Every kind of disk has lost the same share of the space it had, and no disk has run away.
fn balanced(before: &ClusterMap, after: &ClusterMap) {
    let mut by_kind: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for (old, new) in before.services.iter().zip(&after.services) {
        let taken = old.available_bytes - new.available_bytes;
        let kind = by_kind.entry(old.capacity_bytes).or_default();
        *kind = (kind.0 + taken, kind.1 + old.available_bytes);
        // The smallest have room for six blocks only.
        assert!(
            new.available_bytes > 0,
            "{} was filled to the brim",
            new.service
        );
    }
    let share = |(taken, free): &(u64, u64)| *taken as f64 / *free as f64;
    let all = by_kind
        .values()
        .fold((0, 0), |sum, kind| (sum.0 + kind.0, sum.1 + kind.1));
    assert!(
        share(&all) > 0.15,
        "the simulation fills a good part: {by_kind:?}"
    );
    for kind in by_kind.values() {
        let relative = share(kind) / share(&all);
        assert!((0.85..1.15).contains(&relative), "{relative}: {by_kind:?}");
    }
}

fn spread(extents: &[Vec<BlockServiceId>]) {
    let lost = 17;
    let hit: Vec<_> = extents
        .iter()
        .filter(|e| hosts_of(e).contains(&lost))
        .collect();
    assert!(hit.len() > 100, "{} extents had a block there", hit.len());
    let mut sources: BTreeMap<u32, usize> = BTreeMap::new();
    for extent in &hit {
        for host in hosts_of(extent) {
            *sources.entry(host).or_default() += usize::from(host != lost);
        }
    }
    let share = hit.len() * (SCHEME.blocks() - 1) / (HOSTS as usize - 1);
    let most = sources.values().copied().max().unwrap_or(0);
    assert!(
        sources.len() > HOSTS as usize * 9 / 10,
        "from {} hosts",
        sources.len()
    );
    assert!(
        most <= 4 * share + 4,
        "one host reads {most}, all on average {share}"
    );
    // Two hosts share few extents: losing a second one while the first is rebuilt hits a small part.
    let both = hit
        .iter()
        .filter(|e| hosts_of(e).contains(&(lost + 1)))
        .count();
    assert!(both * 10 < hit.len(), "{both} of {}", hit.len());
}

#[test]
fn a_file_stays_on_few_services_and_another_one_goes_elsewhere() {
    let map = fleet();
    let empty = BTreeSet::new();
    let mut random = Random::new(&[9; 32]);
    let mut file = |extents: usize| {
        let mut used: Vec<BlockServiceId> = Vec::new();
        for _ in 0..extents {
            let sticky = used.clone();
            let demand = Demand {
                class: StorageClass::Hdd,
                block_bytes: 1 << 20,
                sticky: &sticky,
                exclude: &[],
                occupied: &empty,
                usable: &|_| true,
                most_free: MostFree::of(&map),
                shares: &Shares::ALL_FULL,
            };
            let (_, placed) = place_extent(&map, &demand, SCHEME, &mut random).unwrap();
            used.extend(placed.into_iter().flatten());
            used.sort_unstable();
            used.dedup();
        }
        used
    };
    let (one, other) = (file(20), file(20));
    assert_eq!((one.len(), other.len()), (14, 14));
    let shared = one.iter().filter(|service| other.contains(service)).count();
    assert!(shared <= 2, "{shared} services in common");
}

/// Conditions of all disks of which some are ailing: every 50th host has slow disks, and every 37th disk has errors.
fn conditions(map: &ClusterMap, errors: u64) -> Vec<DiskCondition> {
    let took = |p95_us| Latency {
        count: 50,
        p95_us,
        ..Latency::default()
    };
    let condition = |info: &BlockServiceInfo| DiskCondition {
        pace: DiskPace {
            service: info.service,
            reads: took(if is_slow(info.service) {
                400_000
            } else {
                20_000
            }),
            writes: took(40_000),
        },
        io_errors: errors * u64::from(has_errors(info.service)),
        reason: None,
    };
    map.services.iter().map(condition).collect()
}

fn is_slow(service: BlockServiceId) -> bool {
    host(service).is_multiple_of(50)
}

fn has_errors(service: BlockServiceId) -> bool {
    service.0.is_multiple_of(37)
}

#[test]
fn ailing_disks_get_less_and_the_others_stay_in_balance() {
    let before = fleet();
    let mut watch = DiskWatch::default();
    let mut shares = Shares::default();
    for look in 0..10 {
        let disks = conditions(&before, look);
        shares = watch.look(&before, &disks, Duration::from_secs(30) * look as u32);
    }
    let mut map = before.clone();
    let extents = fill(&mut map, &shares);
    for extent in &extents {
        assert_eq!(
            hosts_of(extent).len(),
            SCHEME.blocks(),
            "hosts are distinct"
        );
    }
    // Share of the space that was free which has been taken: of slow disks, of those with errors, of all others.
    let taken = |kind: &dyn Fn(BlockServiceId) -> bool| {
        let both = before.services.iter().zip(&map.services);
        let of_kind = both.filter(|(old, _)| kind(old.service));
        let sum = of_kind.fold((0, 0), |(taken, free), (old, new)| {
            (
                taken + old.available_bytes - new.available_bytes,
                free + old.available_bytes,
            )
        });
        sum.0 as f64 / sum.1 as f64
    };
    let well = taken(&|service| !is_slow(service) && !has_errors(service));
    for (what, ailing, expected) in [
        ("slow", taken(&|s| is_slow(s) && !has_errors(s)), 0.1),
        ("errors", taken(&|s| has_errors(s) && !is_slow(s)), 0.125),
    ] {
        let relative = ailing / well;
        assert!(
            (expected * 0.7..expected * 1.5).contains(&relative),
            "{what}: {relative}"
        );
    }
}

/// Leaders that see the same map, in which one disk has most space, do not all go there.
#[test]
fn shards_draw_differently() {
    let map = fleet();
    let empty = BTreeSet::new();
    let mut blocks: BTreeMap<BlockServiceId, u32> = BTreeMap::new();
    for shard in 0..=255 {
        let mut random = Random::new(&[shard; 32]);
        for _ in 0..20 {
            let demand = Demand {
                class: StorageClass::Hdd,
                block_bytes: 1 << 20,
                sticky: &[],
                exclude: &[],
                occupied: &empty,
                usable: &|_| true,
                most_free: MostFree::of(&map),
                shares: &Shares::ALL_FULL,
            };
            let (_, placed) = place_extent(&map, &demand, SCHEME, &mut random).unwrap();
            for service in placed.into_iter().flatten() {
                *blocks.entry(service).or_default() += 1;
            }
        }
    }
    // 71,680 blocks for 10,000 disks, of which the emptiest have 2.6 times their part.
    let most = blocks.values().max().copied().unwrap_or(0);
    assert!(most < 60, "{most} blocks on one disk");
    assert!(blocks.len() > 8_000, "on {} disks", blocks.len());
}
