//! How far a group's rows reach: what is known without the store is what the store says.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use eggs_machine::Changes;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::super::db::INSTALLING;
use super::super::view::group_key;
use super::*;
use crate::kv::WriteBatch;
use crate::storage_tests::{TABLES, log_id, open_state};

const GROUP: GroupId = GroupId(7);
const TABLE: Table = TABLES[0].table;

fn row(value: u64) -> Changes {
    let mut changes = Changes::default();
    changes.set(TABLE, b"row", Some(&value.to_be_bytes()));
    changes
}

/// An order: something else than an entry's changes, with the entry that says so.
fn obey(state: &StateDb, entry: u64) {
    state.write_pending(GROUP).unwrap();
    let mut batch = WriteBatch::default();
    state.put_changes(&mut batch, GROUP, &row(entry)).unwrap();
    state
        .put_applied(&mut batch, GROUP, &log_id(entry))
        .unwrap();
    state.write_around(GROUP, batch).unwrap();
}

/// A checkpoint of an entry begins to be installed, or is.
fn install(state: &StateDb, entry: u64, is_done: bool) {
    state.write_pending(GROUP).unwrap();
    let (mut batch, note) = (WriteBatch::default(), group_key(GROUP, INSTALLING));
    let raft = state.raft().unwrap();
    if is_done {
        state.put_changes(&mut batch, GROUP, &row(entry)).unwrap();
        state
            .put_applied(&mut batch, GROUP, &log_id(entry))
            .unwrap();
        batch.delete_cf(raft, note);
    } else {
        batch.put_cf(raft, note, b"note");
    }
    state.write_around(GROUP, batch).unwrap();
}

fn seen(reader: &Reader<'_>) -> u64 {
    let value = reader.get(TABLE, b"row").unwrap().unwrap();
    u64::from_be_bytes(value.try_into().unwrap())
}

#[test]
fn who_reads_from_an_index_on_sees_it_or_nothing() {
    for seed in 0..30 {
        let dir = tempfile::tempdir().unwrap();
        let state = open_state(dir.path());
        let slot = &state.slot(GROUP);
        let dice = &mut StdRng::seed_from_u64(seed);
        assert!(state.whole_view(GROUP, slot).unwrap().is_none());
        let (mut entry, mut is_installing) = (0, false);
        for _ in 0..200 {
            match dice.random_range(0..10) {
                _ if is_installing => {
                    entry += 10;
                    is_installing = dice.random_bool(0.5);
                    install(&state, entry, !is_installing);
                }
                0 => obey(&state, {
                    entry += 1;
                    entry
                }),
                1 => {
                    is_installing = true;
                    install(&state, entry, false);
                }
                _ => {
                    entry += 1;
                    state.append(GROUP, row(entry), log_id(entry)).unwrap();
                    assert_eq!(slot.reach(), Some(entry));
                }
            }
            let after = Reader::reaching(&state, GROUP, slot, entry + 1);
            assert!(after.is_none(), "seed {seed}: it is not that far");
            drop(after);
            if let Some(reader) = Reader::reaching(&state, GROUP, slot, entry) {
                assert!(!is_installing, "seed {seed}");
                assert_eq!(seen(&reader), entry, "seed {seed}");
            }
            if dice.random_bool(0.5) {
                let whole = state.whole_view(GROUP, slot).unwrap();
                let index = whole.map(|(_, index)| index);
                assert_eq!(index, (!is_installing).then_some(entry), "seed {seed}");
                assert_eq!(slot.reach(), index, "seed {seed}: known from then on");
            }
        }
    }
}

/// Those who look into the store do not overwrite what is known since.
#[test]
fn what_is_known_does_not_go_back() {
    let dir = tempfile::tempdir().unwrap();
    let state = open_state(dir.path());
    let slot = &state.slot(GROUP);
    let done = &AtomicBool::new(false);
    state.append(GROUP, row(1), log_id(1)).unwrap();
    thread::scope(|scope| {
        for _ in 0..3 {
            let state = &state;
            scope.spawn(move || {
                let mut last = 0;
                while !done.load(Ordering::Relaxed) {
                    let whole = state.whole_view(GROUP, slot).unwrap().unwrap();
                    let known = slot.reach().unwrap_or(last);
                    assert!(known >= last, "{known} is known after {last}");
                    last = known.max(whole.1);
                }
            });
        }
        for entry in 2..20_000 {
            match entry % 5 {
                0 => obey(&state, entry),
                _ => state.append(GROUP, row(entry), log_id(entry)).unwrap(),
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(slot.reach(), Some(19_999));
}
