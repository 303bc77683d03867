//! The guard: reports of errors and findings of slowness never take away more than parity can bear.

use std::collections::{BTreeMap, BTreeSet};

use eggs_proto::{BlockServiceId, FailureDomainId, StorageClass};

use crate::record::ServiceRecord;
use crate::schemes::{Demands, domains_spared};

/// A failure domain's disks of one class.
type Place = (StorageClass, FailureDomainId);

/// Decides which reports of errors and which findings of slowness are honoured; returns the disks whose answer has
/// changed.
///
/// A report of errors is honoured when its failure domain keeps another writable disk of the class, or when fewer
/// than the parity in use can miss ([`domains_spared`]) are without one, for whatever reason. Earlier decisions stand
/// for as long as their report does.
///
/// Slow disks come last and are decided anew each time: they give way to errors and to silence. Their domain may
/// only be lost if, besides, as many are left as a write of any scheme of the class needs at least; to write
/// slowly is better than not to write.
pub(crate) fn honour_reports(
    services: &mut BTreeMap<BlockServiceId, ServiceRecord>,
    demands: &Demands,
) -> BTreeSet<BlockServiceId> {
    let mut set_aside = BTreeSet::new();
    for (id, record) in services.iter_mut() {
        if std::mem::take(&mut record.condition.pace.set_aside) {
            set_aside.insert(*id);
        }
    }
    let mut changed = honour_errors(services, demands);
    let now_aside = honour_slowness(services, &set_aside, demands);
    changed.extend(set_aside.symmetric_difference(&now_aside));
    changed
}

fn honour_errors(
    services: &mut BTreeMap<BlockServiceId, ServiceRecord>,
    demands: &Demands,
) -> BTreeSet<BlockServiceId> {
    let mut changed = BTreeSet::new();
    for (id, record) in services.iter_mut() {
        if record.condition.fenced && !record.condition.fence_reported {
            record.condition.fenced = false;
            changed.insert(*id);
        }
    }
    let mut writable = writable_disks(services);
    for (id, record) in services.iter_mut() {
        let condition = &mut record.condition;
        if !condition.fence_reported || condition.fenced {
            continue;
        }
        let place = (record.class, record.domain);
        let left = writable.get(&place).copied().unwrap_or(0);
        let takes_the_last = left <= 1 && condition.effective().takes_writes();
        if takes_the_last
            && domains_without(&writable, record.class) >= domains_spared(demands, record.class)
        {
            continue;
        }
        if condition.effective().takes_writes() {
            writable.insert(place, left.saturating_sub(1));
        }
        condition.fenced = true;
        changed.insert(*id);
    }
    changed
}

/// Those that were set aside before come first; returns who is now.
fn honour_slowness(
    services: &mut BTreeMap<BlockServiceId, ServiceRecord>,
    before: &BTreeSet<BlockServiceId>,
    demands: &Demands,
) -> BTreeSet<BlockServiceId> {
    let mut slow: Vec<BlockServiceId> = services
        .iter()
        .filter(|(_, record)| record.condition.pace.found_slow)
        .map(|(id, _)| *id)
        .collect();
    let mut now_aside = BTreeSet::new();
    if slow.is_empty() {
        return now_aside;
    }
    slow.sort_by_key(|id| !before.contains(id));
    let mut writable = writable_disks(services);
    for id in slow {
        let Some(record) = services.get_mut(&id) else {
            continue;
        };
        // What takes no writes anyway, or was decided by hand, is no business of ours.
        if record.condition.manual.is_some() || !record.condition.effective().takes_writes() {
            continue;
        }
        let place = (record.class, record.domain);
        let left = writable.get(&place).copied().unwrap_or(0);
        let needed = demands
            .get(&record.class)
            .map_or(1, |demand| demand.hardest.blocks_min());
        let spare = domains_with(&writable, record.class) > needed
            && domains_without(&writable, record.class) < domains_spared(demands, record.class);
        if left <= 1 && !spare {
            continue;
        }
        writable.insert(place, left.saturating_sub(1));
        record.condition.pace.set_aside = true;
        now_aside.insert(id);
    }
    now_aside
}

/// How many disks take writes in each place that has disks at all.
fn writable_disks(services: &BTreeMap<BlockServiceId, ServiceRecord>) -> BTreeMap<Place, usize> {
    let mut writable = BTreeMap::new();
    for record in services.values() {
        if record.condition.is_decommissioned() {
            continue;
        }
        let count: &mut usize = writable.entry((record.class, record.domain)).or_default();
        *count += usize::from(record.condition.effective().takes_writes());
    }
    writable
}

fn domains_with(writable: &BTreeMap<Place, usize>, class: StorageClass) -> usize {
    writable
        .iter()
        .filter(|((of, _), count)| *of == class && **count > 0)
        .count()
}

fn domains_without(writable: &BTreeMap<Place, usize>, class: StorageClass) -> usize {
    writable
        .iter()
        .filter(|((of, _), count)| *of == class && **count == 0)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schemes;
    use eggs_proto::registry::SchemeInUse;
    use eggs_proto::{NodeId, ProcessRole, Scheme, Time};

    fn disk(domain: u32, reported: bool) -> ServiceRecord {
        ServiceRecord {
            node: NodeId::new(ProcessRole::Blocks, domain),
            domain: FailureDomainId(domain),
            class: StorageClass::Hdd,
            condition: crate::ServiceCondition {
                fence_reported: reported,
                ..Default::default()
            },
            capacity_bytes: 1,
            available_bytes: 1,
            used_bytes: 0,
            blocks: 0,
            last_seen: Time(0),
            seen_ms: 0,
            published_bytes: 1,
            published_capacity_bytes: 1,
        }
    }

    fn honour(services: &mut BTreeMap<BlockServiceId, ServiceRecord>) -> BTreeSet<BlockServiceId> {
        honour_reports(services, &schemes::of(&BTreeSet::new()))
    }

    fn fenced(services: &BTreeMap<BlockServiceId, ServiceRecord>) -> Vec<u64> {
        services
            .iter()
            .filter(|(_, record)| record.condition.fenced)
            .map(|(id, _)| id.0)
            .collect()
    }

    #[test]
    fn at_most_four_domains() {
        let mut services: BTreeMap<_, _> = (0..8)
            .map(|n| (BlockServiceId(n), disk(n as u32, true)))
            .collect();
        honour(&mut services);
        assert_eq!(fenced(&services), [0, 1, 2, 3]);
        // One recovers: another one's report is honoured.
        services
            .get_mut(&BlockServiceId(1))
            .unwrap()
            .condition
            .fence_reported = false;
        let changed = honour(&mut services);
        assert_eq!(fenced(&services), [0, 2, 3, 4]);
        assert_eq!(
            changed.into_iter().map(|id| id.0).collect::<Vec<_>>(),
            [1, 4]
        );
    }

    #[test]
    fn as_many_domains_as_the_parity_in_use_can_miss() {
        for (parity, expected) in [(0, 1), (1, 1), (2, 2), (6, 6)] {
            let mut services: BTreeMap<_, _> = (0..8)
                .map(|n| (BlockServiceId(n), disk(n as u32, true)))
                .collect();
            let used = |parity| SchemeInUse {
                class: StorageClass::Hdd,
                scheme: Scheme { data: 4, parity },
            };
            let demands = schemes::of(&[used(parity), used(8)].into());
            honour_reports(&mut services, &demands);
            assert_eq!(fenced(&services).len(), expected, "{parity}");
        }
    }

    #[test]
    fn the_dead_count() {
        let mut services: BTreeMap<_, _> = (0..8)
            .map(|n| (BlockServiceId(n), disk(n as u32, n >= 4)))
            .collect();
        for n in 0..3 {
            let record = services.get_mut(&BlockServiceId(n)).unwrap();
            record.condition.stale = true;
        }
        honour(&mut services);
        assert_eq!(fenced(&services), [4]);
    }

    #[test]
    fn one_disk_of_several_is_no_domain() {
        let mut services: BTreeMap<_, _> = (0..20)
            .map(|n| (BlockServiceId(n), disk(n as u32 / 2, n % 2 == 0)))
            .collect();
        honour(&mut services);
        assert_eq!(
            fenced(&services).len(),
            10,
            "each domain keeps its other disk"
        );
    }
}
