//! What every store must do. Each implementation runs the same suite in its tests.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::{Scan, ScanDirection, Store, StoreRead, Table};

/// Runs the suite over an empty store. Panics with the case that failed.
pub fn check_store(store: &mut dyn Store, tables: [Table; 2]) {
    let mut expected: BTreeMap<(Table, Vec<u8>), Vec<u8>> = BTreeMap::new();
    let keys: [&[u8]; 8] = [b"", b"\0", b"a", b"a\0", b"aa", b"b", b"\xff", b"\xff\xff"];
    for (n, key) in keys.iter().enumerate() {
        for table in tables {
            let value = vec![table.0; n];
            store.put(table, key, &value);
            expected.insert((table, key.to_vec()), value);
        }
    }
    check_all(store, tables, &keys, &expected);
    for key in [keys[0], keys[3], keys[7], b"not there"] {
        store.delete(tables[0], key);
        expected.remove(&(tables[0], key.to_vec()));
    }
    store.put(tables[0], keys[2], b"again");
    expected.insert((tables[0], keys[2].to_vec()), b"again".to_vec());
    check_all(store, tables, &keys, &expected);
}

fn check_all(
    store: &dyn StoreRead,
    tables: [Table; 2],
    keys: &[&[u8]],
    expected: &BTreeMap<(Table, Vec<u8>), Vec<u8>>,
) {
    for table in tables {
        for key in keys {
            let value = store.get(table, key).expect("the store works");
            assert_eq!(
                value.as_ref(),
                expected.get(&(table, key.to_vec())),
                "get {key:?}"
            );
        }
        check_many(store, table, keys, expected);
        for from in keys {
            let ends = keys.iter().map(|k| Some(*k)).chain([None]);
            for until in ends {
                check_range(
                    store,
                    expected,
                    Scan {
                        table,
                        from,
                        until,
                        direction: ScanDirection::Forward,
                    },
                );
            }
        }
    }
}

/// In any order, with some that are not there and some twice.
fn check_many(
    store: &dyn StoreRead,
    table: Table,
    keys: &[&[u8]],
    expected: &BTreeMap<(Table, Vec<u8>), Vec<u8>>,
) {
    let forward: Vec<Vec<u8>> = keys.iter().map(|key| key.to_vec()).collect();
    let mut mixed: Vec<Vec<u8>> = forward.iter().rev().cloned().collect();
    mixed.extend([b"nor this".to_vec(), keys[2].to_vec(), keys[0].to_vec()]);
    for asked in [forward, mixed, Vec::new()] {
        let wanted: Vec<Option<Vec<u8>>> = asked
            .iter()
            .map(|key| expected.get(&(table, key.clone())).cloned())
            .collect();
        let found = store.get_many(table, &asked).expect("the store works");
        assert_eq!(found, wanted, "get_many {asked:?}");
    }
}

fn check_range(
    store: &dyn StoreRead,
    expected: &BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    scan: Scan<'_>,
) {
    let inside = |key: &[u8]| key >= scan.from && scan.until.is_none_or(|until| key < until);
    let mut wanted: Vec<_> = expected
        .iter()
        .filter(|((table, key), _)| *table == scan.table && inside(key))
        .map(|((_, key), value)| (key.clone(), value.clone()))
        .collect();
    for direction in [ScanDirection::Forward, ScanDirection::Backward] {
        let scan = Scan { direction, ..scan };
        let mut seen = Vec::new();
        store
            .scan(scan, &mut |key, value| {
                seen.push((key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            })
            .expect("the store works");
        assert_eq!(seen, wanted, "{scan:?}");
        let mut first = None;
        store
            .scan(scan, &mut |key, value| {
                assert!(first.is_none(), "a scan went on after a break: {scan:?}");
                first = Some((key.to_vec(), value.to_vec()));
                ControlFlow::Break(())
            })
            .expect("the store works");
        assert_eq!(first.as_ref(), wanted.first(), "{scan:?}");
        wanted.reverse();
    }
}
