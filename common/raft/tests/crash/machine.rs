//! A list of everything that was applied: a reply is a position in it.

use std::ops::ControlFlow;

use eggs_machine::{
    ApplyContext, Fault, Outcome, Scan, ScanDirection, StateMachine, Store, StoreRead, Table,
    TableSpec,
};

const TABLE: Table = Table(16);

pub const TABLES: [TableSpec; 1] = [TableSpec {
    table: TABLE,
    name: "list",
}];

pub struct List;

impl StateMachine for List {
    fn apply(
        &self,
        store: &mut dyn Store,
        _context: ApplyContext,
        command: &[u8],
    ) -> Result<Outcome, Fault> {
        let position = last(store)? + 1;
        store.put(TABLE, &position.to_be_bytes(), command);
        Ok(Outcome::Accepted(position.to_be_bytes().to_vec()))
    }
}

fn last(store: &dyn StoreRead) -> Result<u64, Fault> {
    let mut last = 0;
    store.scan(whole(ScanDirection::Backward), &mut |key, _| {
        last = number(key);
        ControlFlow::Break(())
    })?;
    Ok(last)
}

/// All of it, in order.
pub fn list(store: &dyn StoreRead) -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    let scanned = store.scan(whole(ScanDirection::Forward), &mut |key, value| {
        all.push((number(key), number(value)));
        ControlFlow::Continue(())
    });
    scanned.expect("it is in memory");
    all
}

fn whole(direction: ScanDirection) -> Scan<'static> {
    Scan {
        table: TABLE,
        from: &[],
        until: None,
        direction,
    }
}

pub fn number(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_be_bytes)
}
