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

/// Keys that are dropped: table, from, until.
type Span = (u8, Vec<u8>, Option<Vec<u8>>);

fn spans() -> impl Strategy<Value = Vec<Span>> {
    let key = || prop::collection::vec(0u8..3, 0..3);
    prop::collection::vec((0u8..2, key(), prop::option::of(key())), 0..3)
}

fn drop_spans(overlay: &mut Overlay<'_>, spans: &[Span]) {
    for (table, from, until) in spans {
        overlay.drop_span(Table(*table), from, until.as_deref());
    }
}

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
        base in writes(), first in writes(), dropped in spans(), second in writes(),
        from in prop::collection::vec(0u8..3, 0..3),
        until in prop::option::of(prop::collection::vec(0u8..3, 0..3)),
    ) {
        let mut under = MemoryStore::default();
        base.iter().for_each(|w| write(&mut under, w));
        let mut lower = Overlay::new(&under);
        first.iter().for_each(|w| write(&mut lower, w));
        let mut upper = Overlay::new(&lower);
        first.iter().for_each(|w| write(&mut upper, w));
        drop_spans(&mut upper, &dropped);
        second.iter().for_each(|w| write(&mut upper, w));

        let mut committed = under.clone();
        first.iter().for_each(|w| write(&mut committed, w));
        let is_dropped = |table: Table, key: &[u8]| dropped.iter().any(|(of, from, until)| {
            Table(*of) == table && key >= &from[..] && until.as_ref().is_none_or(|until| key < &until[..])
        });
        let all: Vec<_> = committed.iter().map(|(table, key, _)| (table, key.to_vec())).collect();
        for (table, key) in all {
            if is_dropped(table, &key) {
                committed.delete(table, &key);
            }
        }
        second.iter().for_each(|w| write(&mut committed, w));
        for direction in [ScanDirection::Forward, ScanDirection::Backward] {
            let until = until.as_deref();
            prop_assert_eq!(
                dump(&upper, direction, &from, until),
                dump(&committed, direction, &from, until)
            );
        }
        for (table, key, _) in base.iter().chain(&first) {
            prop_assert_eq!(upper.get(Table(*table), key).unwrap(), committed.get(Table(*table), key).unwrap());
        }
        let (upper, lower) = (upper.into_changes(), lower.into_changes());
        let mut applied = under.clone();
        applied.commit(&lower);
        applied.commit(&upper);
        prop_assert_eq!(&applied, &committed);
        let mut merged = lower;
        merged.merge(upper);
        under.commit(&merged);
        prop_assert_eq!(under, committed);
    }

    /// What is rolled back leaves what was there before the savepoint, and what is released stays.
    #[test]
    fn a_rollback_leaves_no_trace(
        base in writes(), kept in writes(), dropped in writes(), last in writes(), released in any::<bool>(),
    ) {
        let mut under = MemoryStore::default();
        base.iter().for_each(|w| write(&mut under, w));
        let mut expected = Overlay::new(&under);
        let mut overlay = Overlay::new(&under);
        overlay.savepoint();
        for store in [&mut overlay, &mut expected] {
            kept.iter().for_each(|w| write(store, w));
        }
        overlay.release();
        overlay.savepoint();
        dropped.iter().for_each(|w| write(&mut overlay, w));
        if released {
            dropped.iter().for_each(|w| write(&mut expected, w));
            overlay.release();
        }
        overlay.rollback();
        for store in [&mut overlay, &mut expected] {
            last.iter().for_each(|w| write(store, w));
        }
        overlay.rollback(); // without a savepoint: nothing
        prop_assert_eq!(overlay.into_changes(), expected.into_changes());
    }
}
