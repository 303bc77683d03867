use std::collections::BTreeMap;
use std::ops::ControlFlow;

use eggs_machine::{MemoryStore, Scan, ScanDirection, StoreRead, Table, TableSpec};
use eggs_proto::GroupId;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::state::{Applied, Chunk, ChunkWriter, GroupView, Reader};
use crate::storage_tests::{TABLES, log_id as index, open_state};

const GROUP: GroupId = GroupId(7);

/// Everything in a table, both ways round.
fn rows(view: &dyn StoreRead, table: Table, direction: ScanDirection) -> Vec<(Vec<u8>, Vec<u8>)> {
    let scan = Scan {
        table,
        from: &[],
        until: None,
        direction,
    };
    let mut rows = Vec::new();
    view.scan(scan, &mut |key, value| {
        rows.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    })
    .unwrap();
    rows
}

fn assert_same(view: &dyn StoreRead, model: &dyn StoreRead) {
    let keys: Vec<_> = (0..8).map(|key: u8| vec![key]).collect();
    for TableSpec { table, .. } in TABLES {
        for direction in [ScanDirection::Forward, ScanDirection::Backward] {
            assert_eq!(rows(view, table, direction), rows(model, table, direction));
        }
        let many = model.get_many(table, &keys).unwrap();
        assert_eq!(view.get_many(table, &keys).unwrap(), many);
        for (key, value) in keys.iter().zip(many) {
            assert_eq!(view.get(table, key).unwrap(), value);
        }
    }
}

fn drawn(dice: &mut StdRng) -> Changes {
    let mut changes = Changes::default();
    if dice.random_bool(0.1) {
        let table = TABLES[dice.random_range(0..2)].table;
        let (from, until) = (dice.random_range(0..8), dice.random_range(0..8));
        let until = dice.random_bool(0.7).then_some([until]);
        changes.drop_span(table, &[from], until.as_ref().map(|until| &until[..]));
    }
    for _ in 0..dice.random_range(0..4) {
        let table = TABLES[dice.random_range(0..2)].table;
        let value = dice.random::<u32>().to_be_bytes();
        let value = dice.random_bool(0.7).then_some(&value[..]);
        changes.set(table, &[dice.random_range(0..8)], value);
    }
    changes
}

/// Entries, ways out, and readers in any order: each sees the state after the last entry before it, whatever comes later.
#[test]
fn readers_see_what_is_pending_as_if_it_was_written() {
    for seed in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let state = open_state(dir.path());
        let dice = &mut StdRng::seed_from_u64(seed);
        let mut model = MemoryStore::default();
        let mut held = Vec::new();
        for entry in 1..200 {
            let changes = drawn(dice);
            model.commit(&changes);
            state.append(GROUP, changes, index(entry)).unwrap();
            state.append(GroupId(8), drawn(dice), index(1)).unwrap();
            match dice.random_range(0..10) {
                0 => state.write_pending(GROUP).unwrap(),
                1 => held.push((GroupView::moment(&state, GROUP), model.clone(), entry)),
                2 if dice.random_bool(0.2) => state.flush_blocking().unwrap(),
                _ => {}
            }
            for view in [
                GroupView::newest(&state, GROUP),
                GroupView::moment(&state, GROUP),
            ] {
                assert_same(&view, &model);
                assert_eq!(view.applied().unwrap().last, Some(index(entry)));
            }
        }
        for (view, model, entry) in &held {
            assert_same(view, model);
            assert_eq!(view.applied().unwrap().last, Some(index(*entry)));
        }
    }
}

/// What is pending is lost; what is left is the state after the entry it says.
#[test]
fn a_crash_leaves_the_state_after_a_whole_entry() {
    for seed in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let dice = &mut StdRng::seed_from_u64(seed);
        let mut model = MemoryStore::default();
        let mut after = BTreeMap::from([(None, model.clone())]);
        let entries = dice.random_range(1..300);
        {
            let state = open_state(dir.path());
            for entry in 1..=entries {
                let changes = drawn(dice);
                model.commit(&changes);
                after.insert(Some(entry), model.clone());
                state.append(GROUP, changes, index(entry)).unwrap();
            }
        }
        let state = open_state(dir.path());
        let last = state.applied(GROUP).unwrap().last.map(|last| last.index());
        assert!(last.unwrap_or(0) + ENTRIES_MAX as u64 > entries);
        assert_same(&GroupView::newest(&state, GROUP), &after[&last]);
    }
}

#[test]
fn a_flush_loses_nothing_and_much_is_not_kept_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let table = TABLES[0].table;
    {
        let state = open_state(dir.path());
        let mut changes = Changes::default();
        changes.set(table, b"small", Some(b"1"));
        state.append(GROUP, changes, index(1)).unwrap();
        state.flush_blocking().unwrap();
        let mut changes = Changes::default();
        changes.set(table, b"large", Some(&[7; BYTES_MAX]));
        state.append(GroupId(8), changes, index(1)).unwrap();
    }
    let state = open_state(dir.path());
    for (group, key) in [(GROUP, &b"small"[..]), (GroupId(8), b"large")] {
        let view = GroupView::newest(&state, group);
        assert!(view.get(table, key).unwrap().is_some(), "{group}");
        assert_eq!(view.applied().unwrap().last, Some(index(1)));
    }
}

#[test]
fn a_checkpoint_takes_the_place_of_what_is_pending_too() {
    let dir = tempfile::tempdir().unwrap();
    let state = open_state(dir.path());
    let table = TABLES[0].table;
    let mut changes = Changes::default();
    changes.set(table, b"old", Some(b"1"));
    state.append(GROUP, changes, index(1)).unwrap();
    let kept = |key: &[u8]| {
        let slot = state.slot(GROUP);
        let read = || {
            let reader = Reader::new(&state, GROUP, &slot);
            reader.get(table, key).unwrap()
        };
        assert_eq!(read(), read());
        read()
    };
    assert_eq!((kept(b"old"), kept(b"new")), (Some(b"1".to_vec()), None));
    let mut chunk = Chunk::default();
    chunk.push(table.0, b"new", b"2");
    let mut writer = ChunkWriter::create(state.staging.join("7")).unwrap();
    writer.push(&chunk.take()).unwrap();
    let staged = writer.finish().unwrap();
    let applied = Applied {
        last: Some(index(9)),
        ..Applied::default()
    };
    state.install(GROUP, &staged, &applied).unwrap();
    let view = GroupView::newest(&state, GROUP);
    let wanted = [(b"new".to_vec(), b"2".to_vec())];
    assert_eq!(rows(&view, table, ScanDirection::Forward), wanted);
    assert_eq!(view.applied().unwrap().last, Some(index(9)));
    assert_eq!((kept(b"old"), kept(b"new")), (None, Some(b"2".to_vec())));
}
