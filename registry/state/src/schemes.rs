//! What the built-in policies ask of the disks of a class.

use std::collections::BTreeMap;

use eggs_proto::{PolicySet, Scheme, StorageClass};

/// The widest scheme that the built-in policies use on a class.
pub(crate) fn widest_schemes() -> BTreeMap<StorageClass, Scheme> {
    let policies = PolicySet::default();
    let mut widest: BTreeMap<StorageClass, Scheme> = BTreeMap::new();
    for row in &policies.extent.rows {
        let plan = policies.plan(row.extent_bytes_max);
        let known = widest.entry(plan.class).or_insert(plan.scheme);
        if plan.scheme.data > known.data {
            *known = plan.scheme;
        }
    }
    widest
}
