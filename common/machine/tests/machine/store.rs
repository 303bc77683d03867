//! Both in-memory views behave as every store must.

use eggs_machine::{MemoryStore, Overlay, Store, Table, conformance::check_store};
use proptest::prelude::*;
use std::ops::ControlFlow;

use eggs_machine::{Scan, ScanDirection, StoreRead};

#[test]
fn memory_store() {
    check_store(&mut MemoryStore::default(), [Table(16), Table(255)]);
}

#[test]
fn overlay_over_nothing() {
    let base = MemoryStore::default();
    check_store(&mut Overlay::new(&base), [Table(16), Table(17)]);
}

/// One change: table, key, new value.
type Write = (u8, Vec<u8>, Option<Vec<u8>>);

fn writes() -> impl Strategy<Value = Vec<Write>> {
    let key = prop::collection::vec(0u8..3, 0..3);
    let value = prop::option::of(prop::collection::vec(any::<u8>(), 0..2));
    prop::collection::vec((0u8..2, key, value), 0..40)
}

fn write(store: &mut dyn Store, (table, key, value): &Write) {
    match value {
        Some(value) => store.put(Table(*table), key, value),
        None => store.delete(Table(*table), key),
    }
}

fn dump(
    store: &dyn StoreRead,
    direction: ScanDirection,
    from: &[u8],
    until: Option<&[u8]>,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut out = Vec::new();
    let scan = Scan {
        table: Table(0),
        from,
        until,
        direction,
    };
    store
        .scan(scan, &mut |key, value| {
            out.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
    out
}

proptest! {
    /// Reading through overlays is reading what committing them would give.
    #[test]
    fn an_overlay_shows_what_a_commit_would(
        base in writes(), first in writes(), second in writes(),
        from in prop::collection::vec(0u8..3, 0..3),
        until in prop::option::of(prop::collection::vec(0u8..3, 0..3)),
    ) {
        let mut committed = MemoryStore::default();
        base.iter().for_each(|w| write(&mut committed, w));
        let under = committed.clone();
        let mut lower = Overlay::new(&under);
        first.iter().for_each(|w| write(&mut lower, w));
        let mut upper = Overlay::new(&lower);
        second.iter().for_each(|w| write(&mut upper, w));
        first.iter().chain(&second).for_each(|w| write(&mut committed, w));
        for direction in [ScanDirection::Forward, ScanDirection::Backward] {
            let until = until.as_deref();
            prop_assert_eq!(
                dump(&upper, direction, &from, until),
                dump(&committed, direction, &from, until)
            );
        }
        let changes = upper.into_changes();
        lower.absorb(changes);
        let mut applied = under.clone();
        applied.commit(&lower.into_changes());
        prop_assert_eq!(applied, committed);
    }
}
