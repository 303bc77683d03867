//! When the tables of the state are merged.
//!
//! Each flush adds a file to the first level of each column family. Once there are so many of them, RocksDB merges them into the level
//! below, which up to 256 MB is the last one and is written anew as a whole: what a change costs in the end depends on how many flushes
//! share that. While changes come without a break they wait for [`WHEN_BUSY`]; when hardly any come, for [`WHEN_CALM`], so that what is
//! owed is paid while nobody waits for it, and readers look into fewer files.

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard, PoisonError};

use eggs_machine::{Fault, REPLIES, Table};
use tokio::task::JoinHandle;

use super::StateDb;
use super::view::store_fault;

/// Files of the first level that are merged while there is much to do.
pub(crate) const WHEN_BUSY: u64 = 12;
/// The same, while there is little.
const WHEN_CALM: u64 = 4;
/// Entries in a round from which on it is a busy one.
const BUSY_ENTRIES: u64 = 100;
/// Rounds in a row that are not busy, until it is calm.
const CALM_ROUNDS: u32 = 5;

/// Tells calm from busy times.
#[derive(Debug, Default)]
struct Weather {
    applied: u64,
    quiet: u32,
}

impl Weather {
    /// Once a round: whether it is calm, given how many entries all groups have applied.
    fn is_calm(&mut self, applied: u64) -> bool {
        let quiet = applied.saturating_sub(self.applied) < BUSY_ENTRIES;
        self.applied = applied;
        self.quiet = if quiet { self.quiet + 1 } else { 0 };
        self.quiet >= CALM_ROUNDS
    }
}

/// What a node remembers of it from round to round.
#[derive(Default)]
pub(crate) struct Merging {
    weather: Weather,
    changing: Option<JoinHandle<()>>,
}

impl Merging {
    /// Once a round: has RocksDB wait for more or fewer files where that is to change. `applied` is of all groups together.
    pub(crate) fn tend(&mut self, state: &Arc<StateDb>, applied: u64) {
        let calm = self.weather.is_calm(applied);
        let is_changing = self.changing.as_ref().is_some_and(|it| !it.is_finished());
        if is_changing || !state.is_merging_to_change(calm) {
            return;
        }
        let state = Arc::clone(state);
        self.changing = Some(tokio::task::spawn_blocking(move || {
            // It is tried again in the next round; a store that cannot be written to says so elsewhere.
            if let Err(fault) = state.change_merging(calm) {
                tracing::debug!(%fault, calm, "the store goes on merging as before");
            }
        }));
    }
}

impl StateDb {
    fn is_merging_to_change(&self, calm: bool) -> bool {
        match calm {
            true => self.tables().any(|table| self.is_worth_merging(table)),
            false => !self.early().is_empty(),
        }
    }

    /// Blocks while the store writes its options down, not while it merges.
    fn change_merging(&self, calm: bool) -> Result<(), Fault> {
        let tables: Vec<Table> = match calm {
            true => self
                .tables()
                .filter(|table| self.is_worth_merging(*table))
                .collect(),
            false => self.early().iter().copied().collect(),
        };
        for table in tables {
            // Before it is so, and for as long as it may be: what cannot be written down holds all the same.
            self.early().insert(table);
            self.merge_from(table, if calm { WHEN_CALM } else { WHEN_BUSY })?;
            if !calm {
                self.early().remove(&table);
            }
        }
        Ok(())
    }

    /// Has RocksDB merge the first level of a table once it has so many files.
    fn merge_from(&self, table: Table, files: u64) -> Result<(), Fault> {
        let files = files.to_string();
        let options = [("level0_file_num_compaction_trigger", files.as_str())];
        self.db
            .set_options_cf(self.family(table)?, &options)
            .map_err(store_fault)
    }

    /// Whether a table has files enough for calm times, and waits for more. Replies are dropped before merging them is worth it.
    fn is_worth_merging(&self, table: Table) -> bool {
        table != REPLIES && !self.early().contains(&table) && self.unmerged(table) >= WHEN_CALM
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
mod tests {
    use super::*;

    #[test]
    fn it_is_calm_after_some_quiet_rounds_and_until_the_first_busy_one() {
        let mut weather = Weather::default();
        let mut entries = 0;
        let mut rounds = |each: u64, count: u32| -> Vec<bool> {
            let round = |_| {
                entries += each;
                weather.is_calm(entries)
            };
            (0..count).map(round).collect()
        };
        assert_eq!(rounds(BUSY_ENTRIES, 20), [false; 20]);
        assert_eq!(rounds(BUSY_ENTRIES - 1, 4), [false; 4]);
        assert_eq!(rounds(BUSY_ENTRIES, 1), [false]);
        assert_eq!(rounds(0, 6), [false, false, false, false, true, true]);
        assert_eq!(rounds(BUSY_ENTRIES, 1), [false]);
        assert_eq!(rounds(0, 4), [false; 4]);
    }
}

#[cfg(test)]
#[cfg(not(feature = "sim"))]
mod store_tests {
    use std::time::{Duration, Instant};

    use eggs_machine::Changes;
    use eggs_proto::GroupId;

    use super::*;
    use crate::storage_tests::{TABLES, log_id, open_state};

    /// Flushes so many times, with a row in every table.
    fn flush(state: &StateDb, times: u64) {
        for n in 0..times {
            let mut changes = Changes::default();
            for table in TABLES.map(|spec| spec.table).into_iter().chain([REPLIES]) {
                changes.set(table, &n.to_be_bytes(), Some(b"row"));
            }
            state.append(GroupId(7), changes, log_id(n)).unwrap();
            state.flush_blocking().unwrap();
        }
    }

    /// Waits until a table has fewer files than so many that are not merged. Small ones are merged with each other, so some may stay.
    fn fewer(state: &StateDb, table: Table, files: u64) {
        let began = Instant::now();
        while state.unmerged(table) >= files {
            assert!(began.elapsed() < Duration::from_secs(60), "not merged");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn files_wait_to_be_merged_until_there_are_many_or_it_is_calm() {
        let dir = tempfile::tempdir().unwrap();
        let state = open_state(dir.path());
        let table = TABLES[0].table;
        assert!(!state.is_merging_to_change(true) && !state.is_merging_to_change(false));
        flush(&state, WHEN_CALM - 1);
        assert!(!state.is_merging_to_change(true), "not worth it");
        flush(&state, WHEN_BUSY - WHEN_CALM);
        assert_eq!(state.unmerged(table), WHEN_BUSY - 1);
        assert!(state.is_merging_to_change(true));
        state.change_merging(true).unwrap();
        fewer(&state, table, WHEN_CALM);
        // It stays so while it is calm, without being told again.
        flush(&state, WHEN_CALM);
        fewer(&state, table, WHEN_CALM);
        assert!(!state.is_merging_to_change(true));
        assert!(state.is_merging_to_change(false));
        state.change_merging(false).unwrap();
        assert!(!state.is_merging_to_change(false));
        flush(&state, WHEN_BUSY - 1 - state.unmerged(table));
        assert_eq!(state.unmerged(table), WHEN_BUSY - 1);
        flush(&state, 1);
        fewer(&state, table, WHEN_BUSY);
    }

    #[tokio::test]
    async fn a_node_catches_up_when_it_is_calm_and_waits_again_when_it_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let state = open_state(dir.path());
        let table = TABLES[0].table;
        flush(&state, WHEN_BUSY - 1);
        let mut merging = Merging::default();
        for _ in 1..CALM_ROUNDS {
            merging.tend(&state, 0);
        }
        assert!(merging.changing.is_none(), "not calm yet");
        merging.tend(&state, 0);
        merging.changing.take().unwrap().await.unwrap();
        fewer(&state, table, WHEN_CALM);
        merging.tend(&state, BUSY_ENTRIES);
        merging.changing.take().unwrap().await.unwrap();
        assert!(state.early().is_empty());
    }

    #[test]
    fn replies_are_not_merged_because_it_is_calm() {
        let dir = tempfile::tempdir().unwrap();
        let state = open_state(dir.path());
        flush(&state, WHEN_CALM);
        assert_eq!(state.unmerged(REPLIES), WHEN_CALM);
        assert!(!state.is_worth_merging(REPLIES));
        assert!(state.is_worth_merging(TABLES[0].table));
    }
}
