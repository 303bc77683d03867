//! When the tables of the state are merged.
//!
//! Each flush adds a file to the first level of each column family. Once there are so many of them, RocksDB merges them into the level
//! below, which up to 256 MB is the last one and is written anew as a whole: what a change costs in the end depends on how many flushes
//! share that. While changes come without a break they wait for [`WHEN_BUSY`]; when hardly any come, for [`WHEN_CALM`], so that what is
//! owed is paid while nobody waits for it, and readers look into fewer files. Once it is paid, they wait for [`WHEN_BUSY`] again, so
//! that the first flush after a calm time does not begin a merge.

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard, PoisonError};

use eggs_machine::{Fault, REPLIES, Table};
use tokio::task::JoinHandle;

use super::StateDb;
use super::recent::Done;
use super::view::store_fault;

/// Files of the first level that are merged while there is much to do.
pub(crate) const WHEN_BUSY: u64 = 12;
/// The same, while there is little.
const WHEN_CALM: u64 = 4;
/// Rows that are changed in a round, from which on it is a busy one: those of some hundred files.
const BUSY_CHANGED: u64 = 5_000;
/// Rows that are asked for in a round, from which on somebody would wait for a merge.
const BUSY_READ: u64 = 2_000;
/// Rounds in a row with little of both, until it is calm.
const CALM_ROUNDS: u32 = 5;
/// Rounds in a row in which little changes, after which it is calm although much is read: from then on those who read gain from it.
const READERS_WAIT: u32 = 60;

/// Tells calm from busy times.
#[derive(Debug, Default)]
struct Weather {
    before: Done,
    /// Rounds in a row in which little changed.
    settled: u32,
    /// Those of them, up to now, in which little was read either.
    quiet: u32,
}

impl Weather {
    /// Once a round: whether it is calm, given what was done so far.
    fn is_calm(&mut self, done: Done) -> bool {
        let lately = done.since(self.before);
        self.before = done;
        let settled = lately.changed < BUSY_CHANGED;
        let count = |rounds: u32, is_so: bool| if is_so { rounds.saturating_add(1) } else { 0 };
        self.settled = count(self.settled, settled);
        self.quiet = count(self.quiet, settled && lately.read < BUSY_READ);
        self.quiet >= CALM_ROUNDS || self.settled >= READERS_WAIT
    }
}

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
        let is_changing = self.changing.as_ref().is_some_and(|it| !it.is_finished());
        let turns = state.turns(calm);
        if is_changing || turns.is_empty() {
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
mod tests {
    use super::*;

    /// So many rounds, in each of which so many rows are changed and read: in which of them it is calm.
    fn rounds(weather: &mut Weather, (changed, read): (u64, u64), count: u32) -> Vec<bool> {
        let mut done = weather.before;
        let round = |_| {
            done = done.and(Done { changed, read });
            weather.is_calm(done)
        };
        (0..count).map(round).collect()
    }

    #[test]
    fn it_is_calm_after_some_quiet_rounds_and_until_the_first_busy_one() {
        let weather = &mut Weather::default();
        assert_eq!(rounds(weather, (BUSY_CHANGED, 0), 20), [false; 20]);
        assert_eq!(rounds(weather, (BUSY_CHANGED - 1, 0), 4), [false; 4]);
        assert_eq!(rounds(weather, (BUSY_CHANGED, 0), 1), [false]);
        let calm = [false, false, false, false, true, true];
        assert_eq!(rounds(weather, (0, 0), 6), calm);
        assert_eq!(rounds(weather, (BUSY_CHANGED, 0), 1), [false]);
        assert_eq!(rounds(weather, (0, 0), 4), [false; 4]);
    }

    #[test]
    fn readers_are_waited_for_but_not_for_ever() {
        let weather = &mut Weather::default();
        assert_eq!(rounds(weather, (0, BUSY_READ - 1), 4), [false; 4]);
        assert_eq!(rounds(weather, (0, BUSY_READ), 1), [false]);
        let calm = [false, false, false, false, true, true];
        assert_eq!(rounds(weather, (0, BUSY_READ - 1), 6), calm);
        assert_eq!(rounds(weather, (BUSY_CHANGED, BUSY_READ), 1), [false]);
        assert_eq!(rounds(weather, (0, BUSY_READ), 59), [false; 59]);
        assert_eq!(rounds(weather, (0, BUSY_READ), 2), [true; 2]);
        assert_eq!(rounds(weather, (BUSY_CHANGED, 0), 1), [false]);
    }
}

#[cfg(test)]
#[cfg(not(feature = "sim"))]
mod store_tests {
    use std::time::{Duration, Instant};

    use eggs_machine::{Changes, StoreRead as _};
    use eggs_proto::GroupId;

    use super::super::Reader;
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

    /// Waits until what is to change in calm times is this.
    fn until(state: &StateDb, turns: &[Turn]) {
        let began = Instant::now();
        while state.turns(true) != turns {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "{:?}",
                state.turns(true)
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn files_wait_to_be_merged_until_there_are_many_or_it_is_calm() {
        let dir = tempfile::tempdir().unwrap();
        let state = open_state(dir.path());
        let tables = TABLES.map(|spec| spec.table);
        let (early, late) = (tables.map(Turn::Early), tables.map(Turn::Late));
        flush(&state, WHEN_CALM - 1);
        assert_eq!(state.turns(true), [], "not worth it");
        flush(&state, WHEN_BUSY - WHEN_CALM);
        assert_eq!(state.unmerged(tables[0]), WHEN_BUSY - 1);
        assert_eq!(state.turns(false), []);
        assert_eq!(state.turns(true), early);
        early.into_iter().for_each(|turn| state.take(turn).unwrap());
        // It is merged, and then it is to wait again, although it is calm.
        until(&state, &late);
        late.into_iter().for_each(|turn| state.take(turn).unwrap());
        assert_eq!((state.turns(true), state.turns(false)), (vec![], vec![]));
        let left = state.unmerged(tables[0]);
        assert!(left < WHEN_CALM);
        flush(&state, WHEN_CALM - left);
        // Nothing merges what is enough for calm times, until they are seen to be.
        assert_eq!(state.turns(true), early);
        flush(&state, WHEN_BUSY - 1 - state.unmerged(tables[0]));
        assert_eq!(state.unmerged(tables[0]), WHEN_BUSY - 1);
        flush(&state, 1);
        fewer(&state, tables[0], WHEN_BUSY);
    }

    #[test]
    fn what_is_being_merged_early_waits_again_when_it_is_busy() {
        let dir = tempfile::tempdir().unwrap();
        let state = open_state(dir.path());
        let table = TABLES[0].table;
        state.early().insert(table);
        flush(&state, WHEN_CALM);
        assert!(!state.turns(true).contains(&Turn::Late(table)), "not yet");
        assert_eq!(state.turns(false), [Turn::Late(table)]);
    }

    #[tokio::test]
    async fn a_node_catches_up_when_it_is_calm_and_waits_again_when_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let state = open_state(dir.path());
        let table = TABLES[0].table;
        flush(&state, WHEN_BUSY - 1);
        let mut merging = Merging::default();
        for _ in 1..CALM_ROUNDS {
            merging.tend(&state);
        }
        assert!(merging.changing.is_none(), "not calm yet");
        merging.tend(&state);
        merging.changing.take().unwrap().await.unwrap();
        assert!(state.early().contains(&table));
        until(&state, &TABLES.map(|spec| Turn::Late(spec.table)));
        merging.tend(&state);
        merging.changing.take().unwrap().await.unwrap();
        assert!(state.early().is_empty());
    }

    #[tokio::test]
    async fn a_node_does_not_merge_while_many_read() {
        let dir = tempfile::tempdir().unwrap();
        let state = open_state(dir.path());
        flush(&state, WHEN_BUSY - 1);
        let mut merging = Merging::default();
        let slot = state.slot(GroupId(7));
        let read = |times: u64| {
            for _ in 0..times {
                let reader = Reader::new(&state, GroupId(7), &slot);
                reader.get(TABLES[0].table, b"row").unwrap();
                reader.get(TABLES[0].table, b"another").unwrap();
            }
        };
        for _ in 0..2 * CALM_ROUNDS {
            read(BUSY_READ);
            merging.tend(&state);
        }
        assert!(merging.changing.is_none(), "somebody waits");
        for _ in 0..CALM_ROUNDS {
            read(BUSY_READ - 1);
            merging.tend(&state);
        }
        merging.changing.take().unwrap().await.unwrap();
    }

    #[test]
    fn what_is_done_is_counted_in_rows() {
        let dir = tempfile::tempdir().unwrap();
        let state = open_state(dir.path());
        let mut changes = Changes::default();
        for key in 0..30u8 {
            changes.set(TABLES[0].table, &[key], Some(b"row"));
        }
        state
            .append(GroupId(7), changes.clone(), log_id(1))
            .unwrap();
        state.append(GroupId(9), changes, log_id(1)).unwrap();
        let (changed, read) = (60, 0);
        assert_eq!(state.done(), Done { changed, read });
        let keys: Vec<Vec<u8>> = (0..30u8).map(|key| vec![key]).collect();
        let slot = state.slot(GroupId(9));
        let reader = Reader::new(&state, GroupId(9), &slot);
        assert_eq!(reader.get_many(TABLES[0].table, &keys).unwrap().len(), 30);
        let read = 31;
        assert_eq!(state.done(), Done { changed, read });
    }

    #[test]
    fn replies_are_not_merged_because_it_is_calm() {
        let dir = tempfile::tempdir().unwrap();
        let state = open_state(dir.path());
        flush(&state, WHEN_CALM);
        assert_eq!(state.unmerged(REPLIES), WHEN_CALM);
        assert!(!state.turns(true).contains(&Turn::Early(REPLIES)));
        assert!(state.turns(true).contains(&Turn::Early(TABLES[0].table)));
    }
}
