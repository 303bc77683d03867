//! Scans whose visitor may fail.

use std::ops::ControlFlow;

use eggs_machine::{Fault, Scan, ScanDirection, StoreRead, Table};

/// A range of keys: `from <= key < until`.
pub(crate) struct Range {
    pub(crate) table: Table,
    pub(crate) from: Vec<u8>,
    pub(crate) until: Option<Vec<u8>>,
    pub(crate) direction: ScanDirection,
}

impl Range {
    /// All keys from `from` on that begin with `prefix`, in order.
    pub(crate) fn prefix(table: Table, prefix: &[u8], from: Vec<u8>) -> Self {
        Self {
            table,
            from,
            until: crate::keys::after_prefix(prefix),
            direction: ScanDirection::Forward,
        }
    }

    /// All keys from `from` on.
    pub(crate) fn from(table: Table, from: Vec<u8>) -> Self {
        Self {
            table,
            from,
            until: None,
            direction: ScanDirection::Forward,
        }
    }
}

/// Shows the entries of a range until the visitor breaks or fails.
pub(crate) fn visit<E: From<Fault>>(
    store: &dyn StoreRead,
    range: &Range,
    mut visitor: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let mut failed = None;
    let scan = Scan {
        table: range.table,
        from: &range.from,
        until: range.until.as_deref(),
        direction: range.direction,
    };
    store.scan(scan, &mut |key, value| match visitor(key, value) {
        Ok(flow) => flow,
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    })?;
    failed.map_or(Ok(()), Err)
}
