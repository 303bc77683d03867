//! The same log gives the same bytes: whatever the boundaries of its entries, wherever it is cut by a checkpoint, and
//! however often it is applied.

use eggs_machine::{Command, Entry, MemoryStore, Store};

use crate::group::apply_to;
use crate::random::Random;
use crate::run::Log;

/// Most commands of an entry of the other cut.
const ENTRY_MAX: u64 = 20;

/// Applies a log again in other entries, with a checkpoint now and then, and compares the states.
pub fn check(log: &Log, seed: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let commands = log.entries.iter().flat_map(|entry| &entry.commands);
    let commands: Vec<Command> = commands.cloned().collect();
    let mut rest = commands.as_slice();
    let mut store = MemoryStore::default();
    while !rest.is_empty() {
        let length = random.between(1, ENTRY_MAX + 1) as usize;
        let (first, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        let entry = Entry {
            commands: first.to_vec(),
        };
        let applied = apply_to(log.group, &store, &entry);
        let applied = applied.map_err(|fault| format!("{}: {fault}", log.group))?;
        store.commit(&applied.changes);
        if random.permille(50) {
            store = through_checkpoint(&store);
        }
    }
    if store == log.state {
        return Ok(());
    }
    Err(format!("{}: the same log gave two states", log.group))
}

/// Everything that a checkpoint carries, in a store that has seen nothing else.
fn through_checkpoint(store: &MemoryStore) -> MemoryStore {
    let mut fresh = MemoryStore::default();
    for (table, key, value) in store.iter() {
        fresh.put(table, key, value);
    }
    fresh
}
