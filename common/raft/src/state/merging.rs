//! When the tables of the state are merged.
//!
//! Each flush adds a file to the first level of each column family. Once there are so many of them, or 256 MB, RocksDB merges them into the level
//! below, which up to 256 MB is the last one and is written anew as a whole: what a change costs in the end depends on how many flushes
//! share that. What is not there is looked for in each of the files. While changes come without a break they wait for [`WHEN_BUSY`]; when
//! hardly any come, for [`WHEN_CALM`], so that what is owed is paid while nobody waits for it, and readers look into fewer files. Once it is
//! paid, they wait for [`WHEN_BUSY`] again, so that the first flush after a calm time does not begin a merge.

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard, PoisonError};

use eggs_machine::{Fault, REPLIES, Table};
use tokio::task::JoinHandle;

use super::StateDb;
use super::view::store_fault;
use weather::Weather;

mod weather;

/// Files of the first level that are merged while there is much to do.
pub(crate) const WHEN_BUSY: u64 = 12;
/// The same, while there is little.
const WHEN_CALM: u64 = 2;

/// What a node remembers of it from round to round.
#[derive(Default)]
pub(crate) struct Merging {
    weather: Weather,
    changing: Option<JoinHandle<()>>,
}

impl Merging {
    /// Once a round: has RocksDB wait for more or fewer files where that is to change.
    pub(crate) fn tend(&mut self, state: &Arc<StateDb>) {
        let calm = self.weather.is_calm(state.done());
        if self.changing.as_ref().is_some_and(|it| !it.is_finished()) {
            return;
        }
        let turns = state.turns(calm);
        if turns.is_empty() {
            return;
        }
        let state = Arc::clone(state);
        self.changing = Some(tokio::task::spawn_blocking(move || {
            // It is tried again in the next round; a store that cannot be written to says so elsewhere.
            if let Err(fault) = turns.into_iter().try_for_each(|turn| state.take(turn)) {
                tracing::debug!(%fault, calm, "the store goes on merging as before");
            }
        }));
    }
}

/// What is to change of one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// It waits for few files from now on.
    Early(Table),
    /// It waits for many again.
    Late(Table),
}

impl StateDb {
    /// What is to change.
    fn turns(&self, calm: bool) -> Vec<Turn> {
        let early = self.early();
        let turn = |table| match early.contains(&table) {
            false => (calm && self.is_worth_merging(table)).then_some(Turn::Early(table)),
            true => (!calm || !self.is_worth_merging(table)).then_some(Turn::Late(table)),
        };
        self.tables().filter_map(turn).collect()
    }

    /// Blocks while the store writes its options down, not while it merges.
    fn take(&self, turn: Turn) -> Result<(), Fault> {
        match turn {
            Turn::Early(table) => {
                // Before it is so: what cannot be written down holds all the same.
                self.early().insert(table);
                self.merge_from(table, WHEN_CALM)
            }
            Turn::Late(table) => {
                self.merge_from(table, WHEN_BUSY)?;
                self.early().remove(&table);
                Ok(())
            }
        }
    }

    /// Has RocksDB merge the first level of a table once it has so many files.
    fn merge_from(&self, table: Table, files: u64) -> Result<(), Fault> {
        let files = files.to_string();
        let options = [("level0_file_num_compaction_trigger", files.as_str())];
        self.db
            .set_options_cf(self.family(table)?, &options)
            .map_err(store_fault)
    }

    /// Whether a table has files enough for calm times. Replies are dropped before merging them is worth it.
    fn is_worth_merging(&self, table: Table) -> bool {
        table != REPLIES && self.unmerged(table) >= WHEN_CALM
    }

    /// Files of the first level.
    fn unmerged(&self, table: Table) -> u64 {
        let family = self.family(table).ok();
        let files = family.and_then(|family| {
            let files = self
                .db
                .property_int_value_cf(family, "rocksdb.num-files-at-level0");
            files.ok().flatten()
        });
        files.unwrap_or(0)
    }

    /// Tables that do not wait for so many files as in busy times.
    fn early(&self) -> MutexGuard<'_, BTreeSet<Table>> {
        self.merged_early
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[cfg(not(feature = "sim"))]
mod tests;
