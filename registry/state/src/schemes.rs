//! How blocks are stored, and what that asks of the disks of a class.
//!
//! Policies belong to directories, and clients choose by them. What the registry knows is what was used lately, as the leaders of
//! shards tell it; before anything was, it goes by the built-in policies.

use std::collections::{BTreeMap, BTreeSet};

use eggs_machine::{Fault, StoreRead};
use eggs_proto::registry::SchemeInUse;
use eggs_proto::{PolicySet, Scheme, StorageClass};

use crate::record::SchemeRecord;
use crate::tables::{self, SCHEMES};

/// What is asked of the disks of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// The scheme with the most blocks: a write in full needs so many failure domains.
    pub widest: Scheme,
    /// The scheme that needs the most blocks at least, and with them so many failure domains.
    pub hardest: Scheme,
    /// The least parity of all: so many failure domains can be missed by every file.
    pub parity_min: u8,
}

/// What is asked of the disks of each class that is used. Another class is asked for nothing.
pub type Demands = BTreeMap<StorageClass, Demand>;

/// The ways to store blocks, and when each was last used.
pub(crate) fn list(store: &dyn StoreRead) -> Result<Vec<(SchemeInUse, SchemeRecord)>, Fault> {
    tables::list(store, SCHEMES)
}

/// What is asked of the disks, by what was stored lately.
pub(crate) fn demands(store: &dyn StoreRead) -> Result<Demands, Fault> {
    let used = list(store)?.into_iter().map(|(used, _)| used).collect();
    Ok(of(&used))
}

/// What is asked of the disks if blocks are stored like that.
pub(crate) fn of(used: &BTreeSet<SchemeInUse>) -> Demands {
    let built_in = built_in();
    let used = if used.is_empty() { &built_in } else { used };
    let mut demands = Demands::new();
    for SchemeInUse { class, scheme } in used {
        let demand = demands.entry(*class).or_insert(Demand {
            widest: *scheme,
            hardest: *scheme,
            parity_min: scheme.parity,
        });
        demand.widest = larger(demand.widest, *scheme, Scheme::blocks);
        demand.hardest = larger(demand.hardest, *scheme, Scheme::blocks_min);
        demand.parity_min = demand.parity_min.min(scheme.parity);
    }
    demands
}

/// The one with more blocks by some measure.
fn larger(a: Scheme, b: Scheme, blocks: impl Fn(Scheme) -> usize) -> Scheme {
    if (blocks(a), a) < (blocks(b), b) {
        b
    } else {
        a
    }
}

/// How the built-in policies store blocks.
fn built_in() -> BTreeSet<SchemeInUse> {
    let policies = PolicySet::default();
    let plans = policies
        .extent
        .rows
        .iter()
        .map(|row| policies.plan(row.extent_bytes_max));
    plans
        .map(|plan| SchemeInUse {
            class: plan.class,
            scheme: plan.scheme,
        })
        .collect()
}

/// How many failure domains of a class may be without a writable disk because of what the registry decided: as many as every file
/// can miss, but one in any case, because a disk that is broken is of no use to anybody.
pub(crate) fn domains_spared(demands: &Demands, class: StorageClass) -> usize {
    let parity = |demands: &Demands| demands.get(&class).map(|demand| demand.parity_min);
    let parity = parity(demands).or_else(|| parity(&of(&BTreeSet::new())));
    usize::from(parity.unwrap_or(0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(class: StorageClass, data: u8, parity: u8) -> SchemeInUse {
        let scheme = Scheme { data, parity };
        SchemeInUse { class, scheme }
    }

    #[test]
    fn the_built_in_policies_want_fourteen_and_eight_domains_and_can_miss_four() {
        let demands = of(&BTreeSet::new());
        let text = |class| {
            let demand = demands[&class];
            format!("{} {} {}", demand.widest, demand.hardest, demand.parity_min)
        };
        assert_eq!(text(StorageClass::Hdd), "10+4 10+4 4");
        assert_eq!(text(StorageClass::Flash), "4+4 4+4 4");
    }

    #[test]
    fn what_is_used_counts_and_nothing_else() {
        let hdd = StorageClass::Hdd;
        let demands = of(&[used(hdd, 4, 2), used(hdd, 2, 9), used(hdd, 1, 1)].into());
        let expected = Demand {
            widest: Scheme { data: 2, parity: 9 },
            hardest: Scheme { data: 4, parity: 2 },
            parity_min: 1,
        };
        assert_eq!(demands, [(hdd, expected)].into());
        assert_eq!(domains_spared(&demands, hdd), 1);
        assert_eq!(domains_spared(&demands, StorageClass::Flash), 4);
        let wide = of(&[used(hdd, 10, 6)].into());
        assert_eq!(domains_spared(&wide, hdd), 6);
        let none = of(&[used(hdd, 10, 0)].into());
        assert_eq!(domains_spared(&none, hdd), 1);
    }
}
