use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use eggs_machine::{Changes, MemoryStore, ScanDirection};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::kv::WriteBatch;
use crate::storage_tests::{TABLES, log_id, open_state};

const GROUP: GroupId = GroupId(7);
const KEYS: u8 = 6;

/// All rows, in any order, some of them several times.
fn places(dice: &mut StdRng) -> Vec<(Table, u8)> {
    let mut places: Vec<_> = TABLES
        .iter()
        .flat_map(|spec| (0..KEYS).map(|key| (spec.table, key)))
        .collect();
    places.extend(places.clone());
    places.shuffle(dice);
    places
}

fn drawn(dice: &mut StdRng) -> Changes {
    let mut changes = Changes::default();
    let table = TABLES[dice.random_range(0..TABLES.len())].table;
    if dice.random_bool(0.05) {
        changes.drop_span(table, &[dice.random_range(0..KEYS)], None);
    }
    for _ in 0..dice.random_range(0..3) {
        let value = vec![dice.random(); [1, 600][usize::from(dice.random_bool(0.2))]];
        let value = dice.random_bool(0.7).then_some(&value[..]);
        changes.set(table, &[dice.random_range(0..KEYS)], value);
    }
    changes
}

/// Changes a group as an entry does, or as an order or a checkpoint does.
fn change(state: &StateDb, dice: &mut StdRng, changes: Changes, entry: u64) {
    if dice.random_bool(0.1) {
        state.write_pending(GROUP).unwrap();
        let mut batch = WriteBatch::default();
        state.put_changes(&mut batch, GROUP, &changes).unwrap();
        state.write_around(GROUP, batch).unwrap();
    } else {
        state.append(GROUP, changes, log_id(entry)).unwrap();
    }
    if dice.random_bool(0.1) {
        state.write_pending(GROUP).unwrap();
    }
}

/// Readers that have begun before other changes, and those that begin after them: each sees one moment, whatever is kept.
#[test]
fn a_reader_sees_the_moment_of_its_first_read() {
    let mut kept = 0;
    for seed in 0..30 {
        let dir = tempfile::tempdir().unwrap();
        let state = open_state(dir.path());
        let slot = state.slot(GROUP);
        let dice = &mut StdRng::seed_from_u64(seed);
        let mut model = MemoryStore::default();
        let mut begun: Vec<(Reader<'_>, MemoryStore)> = Vec::new();
        for entry in 1..150 {
            let changes = drawn(dice);
            model.commit(&changes);
            change(&state, dice, changes, entry);
            let same = |reader: &Reader<'_>, model: &MemoryStore, (table, key): (Table, u8)| {
                let (seen, wanted) = (reader.get(table, &[key]), model.get(table, &[key]));
                assert_eq!(seen.unwrap(), wanted.unwrap(), "seed {seed}, entry {entry}");
            };
            let reader = Reader::new(&state, GROUP, &slot);
            for place in places(dice) {
                same(&reader, &model, place);
            }
            // One that holds the lock must not stay: this thread goes on.
            match reader.snapshot.get() {
                Some(_) if dice.random_bool(0.2) => begun.push((reader, model.clone())),
                Some(_) => drop(reader),
                None => {
                    kept += 1;
                    drop(reader);
                }
            }
            for (reader, model) in &begun {
                for place in places(dice) {
                    same(reader, model, place);
                }
            }
            if begun.len() > 3 {
                begun.remove(0);
            }
        }
    }
    assert!(kept > 100, "{kept} needed no snapshot");
}

/// Every entry writes one number into all rows; nobody ever sees two numbers.
#[test]
fn nobody_sees_half_an_entry() {
    let dir = tempfile::tempdir().unwrap();
    let state = open_state(dir.path());
    let slot = state.slot(GROUP);
    let (done, rounds) = (AtomicBool::new(false), 20_000);
    let all = |number: u64| {
        let mut changes = Changes::default();
        for (spec, key) in TABLES
            .iter()
            .flat_map(|spec| (0..KEYS).map(move |key| (spec, key)))
        {
            changes.set(spec.table, &[key], Some(&number.to_be_bytes()));
        }
        changes
    };
    state.append(GROUP, all(0), log_id(1)).unwrap();
    let read = |dice: &mut StdRng| {
        let reader = Reader::new(&state, GROUP, &slot);
        let mut seen = Vec::new();
        for (table, key) in places(dice) {
            match dice.random_range(0..20) {
                0 => {
                    let scan = Scan {
                        table,
                        from: &[],
                        until: None,
                        direction: ScanDirection::Forward,
                    };
                    let each = &mut |_: &[u8], value: &[u8]| {
                        seen.push(value.to_vec());
                        std::ops::ControlFlow::Continue(())
                    };
                    reader.scan(scan, each).unwrap();
                }
                1 => seen.extend(
                    reader
                        .get_many(table, &[vec![key]])
                        .unwrap()
                        .into_iter()
                        .flatten(),
                ),
                _ => seen.push(reader.get(table, &[key]).unwrap().unwrap()),
            }
        }
        seen.dedup();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    };
    thread::scope(|scope| {
        for seed in 0..3 {
            let (read, done) = (&read, &done);
            scope.spawn(move || {
                let dice = &mut StdRng::seed_from_u64(seed);
                let mut last = Vec::new();
                while !done.load(Ordering::Relaxed) {
                    let now = read(dice);
                    assert!(now >= last, "a later reader saw an earlier state");
                    last = now;
                }
            });
        }
        let dice = &mut StdRng::seed_from_u64(9);
        for number in 1..rounds {
            change(&state, dice, all(number), number + 1);
        }
        done.store(true, Ordering::Relaxed);
    });
    let last = (rounds - 1).to_be_bytes().to_vec();
    assert_eq!(read(&mut StdRng::seed_from_u64(4)), last);
}
