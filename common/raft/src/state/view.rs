//! One group's part of the state store, as machines and readers see it.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::kv::{DB, ReadOptions, SnapshotWithThreadMode};
use eggs_machine::{Fault, Over, Scan, ScanDirection, StoreRead, Table, Visit};
use eggs_proto::GroupId;

use super::StateDb;
use super::db::INSTALLING;
use super::pending::Pending;
use super::recent::Recent;

/// A view of one group's tables: of one moment, or of whatever is newest.
pub(crate) struct GroupView<'a> {
    state: &'a StateDb,
    group: GroupId,
    when: When<'a>,
}

/// What a view shows.
enum When<'a> {
    Newest(Arc<Pending>),
    Moment(Moment<'a>),
}

/// A moment; what refers to it is dropped before it.
struct Moment<'a> {
    options: ReadOptions,
    snapshot: SnapshotWithThreadMode<'a, DB>,
    pending: Arc<Pending>,
}

impl<'a> Moment<'a> {
    /// The present, in which a group's lock is held: nothing of it goes from memory to the store in between.
    fn now(state: &'a StateDb, recent: &Recent) -> Self {
        let snapshot = state.db.snapshot();
        let mut options = ReadOptions::default();
        options.set_snapshot(&snapshot);
        Self {
            options,
            snapshot,
            pending: Arc::clone(&recent.pending),
        }
    }
}

impl<'a> GroupView<'a> {
    /// What is newest; for the one who writes, who lets go of it before.
    pub(crate) fn newest(state: &'a StateDb, group: GroupId) -> Self {
        let pending = Arc::clone(&state.slot(group).lock().pending);
        Self {
            state,
            group,
            when: When::Newest(pending),
        }
    }

    /// What is there now, whatever is written later.
    pub(crate) fn moment(state: &'a StateDb, group: GroupId) -> Self {
        Self::at(state, group, &state.slot(group).lock())
    }

    /// What is there while the group's lock is held, whatever is written later.
    pub(super) fn at(state: &'a StateDb, group: GroupId, recent: &Recent) -> Self {
        Self {
            state,
            group,
            when: When::Moment(Moment::now(state, recent)),
        }
    }

    pub(super) const fn state(&self) -> &'a StateDb {
        self.state
    }

    /// For reads of single keys.
    fn options(&self) -> &ReadOptions {
        match &self.when {
            When::Newest(_) => &self.state.newest,
            When::Moment(moment) => &moment.options,
        }
    }

    fn pending(&self) -> &Pending {
        match &self.when {
            When::Newest(pending) => pending,
            When::Moment(moment) => &moment.pending,
        }
    }

    /// For a scan, to be given bounds.
    fn scan_options(&self) -> ReadOptions {
        let mut options = ReadOptions::default();
        if let When::Moment(moment) = &self.when {
            options.set_snapshot(&moment.snapshot);
        }
        options
    }
}

/// A key of a group in any table.
pub(crate) fn group_key(group: GroupId, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(2 + key.len());
    full.extend_from_slice(&group.0.to_be_bytes());
    full.extend_from_slice(key);
    full
}

/// The first key after all keys of a group.
pub(crate) fn group_end(group: GroupId) -> Result<[u8; 2], Fault> {
    let next = group.0.checked_add(1).map(u16::to_be_bytes);
    next.ok_or_else(|| Fault::Store("the last group number is reserved".into()))
}

/// What the store has of a view, without what is pending.
struct Written<'v, 'a>(&'v GroupView<'a>);

impl StoreRead for Written<'_, '_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let view = self.0;
        let key = group_key(view.group, key);
        view.state
            .db
            .get_cf_opt(view.state.family(table)?, key, view.options())
            .map_err(store_fault)
    }

    fn get_many(&self, table: Table, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, Fault> {
        let view = self.0;
        let keys: Vec<_> = keys.iter().map(|key| group_key(view.group, key)).collect();
        let sorted = keys.is_sorted();
        let family = view.state.family(table)?;
        let found = view
            .state
            .db
            .batched_multi_get_cf_opt(family, &keys, sorted, view.options());
        let owned = |value: Option<_>| value.map(|value| AsRef::<[u8]>::as_ref(&value).to_vec());
        let found = found.into_iter().map(|value| value.map(owned));
        found.collect::<Result<_, _>>().map_err(store_fault)
    }

    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), Fault> {
        if scan.until.is_some_and(|until| until <= scan.from) {
            return Ok(());
        }
        let view = self.0;
        let mut options = view.scan_options();
        options.set_iterate_lower_bound(group_key(view.group, scan.from));
        let upper = match scan.until {
            Some(until) => group_key(view.group, until),
            None => group_end(view.group)?.to_vec(),
        };
        options.set_iterate_upper_bound(upper);
        let family = view.state.family(scan.table)?;
        let mut iterator = view.state.db.raw_iterator_cf_opt(family, options);
        match scan.direction {
            ScanDirection::Forward => iterator.seek_to_first(),
            ScanDirection::Backward => iterator.seek_to_last(),
        }
        while let Some((key, value)) = iterator.item() {
            let key = key
                .get(2..)
                .ok_or_else(|| Fault::Damaged("a key without a group".into()))?;
            if visit(key, value).is_break() {
                return Ok(());
            }
            match scan.direction {
                ScanDirection::Forward => iterator.next(),
                ScanDirection::Backward => iterator.prev(),
            }
        }
        iterator.status().map_err(store_fault)
    }
}

impl StoreRead for GroupView<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Over::new(&Written(self), &self.pending().changes).get(table, key)
    }

    fn get_many(&self, table: Table, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, Fault> {
        Over::new(&Written(self), &self.pending().changes).get_many(table, keys)
    }

    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), Fault> {
        Over::new(&Written(self), &self.pending().changes).scan(scan, visit)
    }
}

pub(crate) fn store_fault(cause: crate::kv::Error) -> Fault {
    Fault::Store(cause.into_string())
}

impl GroupView<'_> {
    /// Shows a whole table until `visit` says no.
    pub(crate) fn each(
        &self,
        table: Table,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), Fault> {
        let scan = Scan {
            table,
            from: &[],
            until: None,
            direction: ScanDirection::Forward,
        };
        self.scan(scan, &mut |key, value| {
            if visit(key, value) {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })
    }

    /// How far the state of this view is; `None` if its rows were given away, or while they are being replaced by a
    /// checkpoint, when they are neither what they were nor what they will be.
    pub(crate) fn whole(&self) -> Result<Option<super::db::Applied>, Fault> {
        let note = group_key(self.group, INSTALLING);
        let being_replaced = self
            .state
            .db
            .get_cf_opt(self.state.raft()?, note, self.options());
        match being_replaced.map_err(store_fault)? {
            Some(_) => Ok(None),
            None => Ok(Some(self.applied()?).filter(|applied| !applied.hollow)),
        }
    }

    /// How far the state of this view is.
    pub(crate) fn applied(&self) -> Result<super::db::Applied, Fault> {
        let mut applied = self.state.applied_in(self.group, self.options())?;
        applied.last = self.pending().applied.or(applied.last);
        Ok(applied)
    }
}
