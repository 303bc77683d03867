//! Every change of a shard is met by the model, or it is said here why not: whoever adds one is asked.

use std::collections::{BTreeMap, BTreeSet};

use eggs_proto::shard::ShardChange;

/// Changes that mean nothing to one shard without others, and where they are tried instead.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "ScrapForeign",
        "only for files of other shards: meta/cdc/tests, chaos/sim",
    ),
    (
        "Repair",
        "only for what is damaged: meta/shard/src/invariants/tests.rs",
    ),
    (
        "AdvanceTime",
        "nothing but time; here each change is later than the last: gc, chaos/sim",
    ),
];

/// Panics unless each kind of change is either among those that were accepted or listed.
pub fn check(accepted: &BTreeMap<&str, usize>) {
    let listed: BTreeSet<&str> = ELSEWHERE.iter().map(|(kind, _)| *kind).collect();
    for kind in ShardChange::KINDS {
        match (accepted.contains_key(kind), listed.contains(kind)) {
            (true, false) | (false, true) => {}
            (false, false) => {
                panic!("no `Operation` leads to an accepted {kind}: draw one, or say why not")
            }
            (true, true) => panic!("{kind} is met after all"),
        }
    }
    let known: BTreeSet<&str> = ShardChange::KINDS.iter().copied().collect();
    assert!(listed.is_subset(&known), "{listed:?}");
}
