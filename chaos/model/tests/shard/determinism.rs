//! The same log gives the same state, whatever the boundaries of its entries.

use eggs_machine::{Entry, MemoryStore, apply_entry};

use crate::cluster::{Cluster, MACHINE};

/// Applies the log again in entries of other lengths.
pub fn check(cluster: &Cluster, cuts: &[usize]) {
    let mut store = MemoryStore::default();
    let mut rest = cluster.log.as_slice();
    for cut in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (commands, after) = rest.split_at((*cut).min(rest.len()));
        rest = after;
        let entry = Entry {
            commands: commands.to_vec(),
        };
        let applied = apply_entry(&MACHINE, &store, &entry).unwrap();
        store.commit(&applied.changes);
    }
    assert!(store == cluster.store, "the states differ");
}
