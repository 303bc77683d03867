use std::time::{Duration, Instant};

use eggs_machine::{Changes, StoreRead as _};
use eggs_proto::GroupId;

use super::weather::{BUSY_READ, CALM_ROUNDS};
use super::*;
use crate::state::Reader;
use crate::state::recent::Done;
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

/// Waits for what RocksDB does by itself, of which it tells nobody.
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
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
    eventually("merged", || state.turns(true) == late);
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
    // Small ones are merged with each other, so some may stay.
    eventually("merged", || state.unmerged(tables[0]) < WHEN_BUSY);
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
    let late = TABLES.map(|spec| Turn::Late(spec.table));
    eventually("merged", || state.turns(true) == late);
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
