//! The state store of a node.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::kv::{
    Bug, ColumnFamily, DB, FlushOptions, ReadOptions, WriteBatch, WriteOptions, planted,
};
use eggs_machine::{Changes, Fault, REPLY_TABLES, Table, TableSpec};
use eggs_proto::GroupId;
use tokio::sync::Mutex;

use super::GroupView;
use super::pending::Pending;
use super::recent::{Done, Slot};
use super::view::{group_end, group_key, store_fault};
use crate::rocks::{self, SharedMemory, StoreKind};
use crate::types::{LogId, StoredMembership};
use crate::{Limits, StartError, codec};

/// The column family of what Raft keeps about each group.
const RAFT: &str = "raft";
pub(super) const APPLIED: &[u8] = b"applied";
const MEMBERS: &[u8] = b"members";
pub(super) const INSTALLING: &[u8] = b"installing";
/// In the place of `applied` when the rows were given away: a program that does not know of it finds a state that ends before its log begins,
/// and does not start.
pub(super) const HOLLOW: &[u8] = b"hollow";

/// The state of all groups of one node.
pub(crate) struct StateDb {
    pub(super) db: DB,
    /// For reads of whatever is newest.
    pub(super) newest: ReadOptions,
    /// Name of the column family of each table, by number.
    names: Vec<Option<&'static str>>,
    /// What is known besides the store, of each group that had entries or was read.
    recent: RwLock<BTreeMap<GroupId, Arc<Slot>>>,
    /// Tables that are merged as in calm times.
    pub(super) merged_early: std::sync::Mutex<BTreeSet<Table>>,
    /// Where checkpoints are received.
    pub(crate) staging: PathBuf,
    /// Flushes asked for and done, so that one flush serves all who wait.
    flush_wanted: AtomicU64,
    flush_done: Mutex<u64>,
}

/// What Raft needs to know about a group's state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Applied {
    pub(crate) last: Option<LogId>,
    pub(crate) members: StoredMembership,
    /// Whether the rows were given away.
    pub(crate) hollow: bool,
}

impl StateDb {
    pub(crate) fn open(
        dir: &Path,
        tables: &[TableSpec],
        limits: &Limits,
        memory: &SharedMemory,
    ) -> Result<Arc<Self>, StartError> {
        let mut names = vec![None; usize::from(u8::MAX) + 1];
        let mut families = BTreeSet::from(["default", RAFT]);
        for spec in REPLY_TABLES.iter().chain(tables) {
            let slot = &mut names[usize::from(spec.table.0)];
            if slot.replace(spec.name).is_some() || !families.insert(spec.name) {
                return Err(StartError::Config(format!(
                    "table {} ({}) is declared twice",
                    spec.table.0, spec.name
                )));
            }
        }
        let families: Vec<&str> = families.into_iter().collect();
        let db = rocks::open(
            StoreKind::State,
            &dir.join("state"),
            &families,
            limits,
            memory,
        )?;
        let staging = dir.join("staging");
        std::fs::create_dir_all(&staging).map_err(|source| StartError::Io {
            action: format!("create {}", staging.display()),
            source,
        })?;
        Ok(Arc::new(Self {
            db,
            newest: ReadOptions::default(),
            names,
            recent: RwLock::default(),
            merged_early: std::sync::Mutex::default(),
            staging,
            flush_wanted: AtomicU64::new(0),
            flush_done: Mutex::new(0),
        }))
    }

    pub(super) fn family(&self, table: Table) -> Result<&ColumnFamily, Fault> {
        let name = self.names.get(usize::from(table.0)).copied().flatten();
        let family = name.and_then(|name| self.db.cf_handle(name));
        family.ok_or_else(|| Fault::Store(format!("there is no table {}", table.0)))
    }

    /// All tables, in order.
    pub(super) fn tables(&self) -> impl Iterator<Item = Table> + '_ {
        (0..=u8::MAX).map(Table).filter(|table| {
            self.names
                .get(usize::from(table.0))
                .is_some_and(Option::is_some)
        })
    }

    pub(super) fn raft(&self) -> Result<&ColumnFamily, Fault> {
        let family = self.db.cf_handle(RAFT);
        family.ok_or_else(|| Fault::Store("no column family raft".into()))
    }

    /// How far a group's state is.
    pub(crate) fn applied(&self, group: GroupId) -> Result<Applied, Fault> {
        GroupView::newest(self, group).applied()
    }

    /// What is known of a group.
    pub(crate) fn slot(&self, group: GroupId) -> Arc<Slot> {
        let slots = self.recent.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(&group) {
            return Arc::clone(slot);
        }
        drop(slots);
        let mut slots = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(group).or_default())
    }

    /// A view of a group that is whole, and the index of the last entry that it has. What is found is known from then on.
    pub(crate) fn whole_view<'a>(
        &'a self,
        group: GroupId,
        slot: &Slot,
    ) -> Result<Option<(GroupView<'a>, u64)>, Fault> {
        let (view, changes) = {
            let recent = slot.lock();
            (GroupView::at(self, group, &recent), recent.changes)
        };
        let Some(last) = view.whole()?.and_then(|applied| applied.last) else {
            return Ok(None);
        };
        let mut recent = slot.lock();
        if recent.changes == changes {
            recent.reach = Some(last.index());
        }
        drop(recent);
        Ok(Some((view, last.index())))
    }

    /// Of all groups together.
    pub(super) fn done(&self) -> Done {
        let slots: Vec<Arc<Slot>> = {
            let slots = self.recent.read().unwrap_or_else(PoisonError::into_inner);
            slots.values().cloned().collect()
        };
        let done = slots.iter().map(|slot| slot.lock().done);
        done.fold(Done::default(), Done::and)
    }

    /// Takes what an entry of a group has changed; readers see it at once.
    pub(super) fn append(
        &self,
        group: GroupId,
        changes: Changes,
        applied: LogId,
    ) -> Result<(), Fault> {
        match self.slot(group).add(changes, applied) {
            true => self.write_pending(group),
            false => Ok(()),
        }
    }

    /// Writes what is pending of a group to the store.
    pub(super) fn write_pending(&self, group: GroupId) -> Result<(), Fault> {
        let slot = self.slot(group);
        // Held until it is written, so that nobody sees it in neither place.
        let mut recent = slot.lock();
        let pending = &recent.pending;
        let Some(applied) = &pending.applied else {
            return Ok(());
        };
        let mut batch = WriteBatch::default();
        self.put_changes(&mut batch, group, &pending.changes)?;
        self.put_applied(&mut batch, group, applied)?;
        self.write(batch)?;
        recent.pending = Arc::new(Pending::default());
        Ok(())
    }

    fn write_all_pending(&self) -> Result<(), Fault> {
        let slots = self.recent.read().unwrap_or_else(PoisonError::into_inner);
        let groups: Vec<GroupId> = slots.keys().copied().collect();
        drop(slots);
        groups
            .into_iter()
            .try_for_each(|group| self.write_pending(group))
    }

    pub(super) fn applied_in(
        &self,
        group: GroupId,
        options: &ReadOptions,
    ) -> Result<Applied, Fault> {
        let get = |key: &[u8]| {
            self.db
                .get_cf_opt(self.raft()?, group_key(group, key), options)
                .map_err(store_fault)
        };
        let damaged = |cause: codec::Undecodable| Fault::Damaged(cause.to_string());
        let (last, hollow) = match get(APPLIED)? {
            Some(last) => (Some(last), false),
            None => {
                let last = get(HOLLOW)?;
                let hollow = last.is_some();
                (last, hollow)
            }
        };
        let last = last.map(|bytes| codec::decode_log_id(&bytes));
        let members = get(MEMBERS)?.map(|bytes| codec::decode_membership(&bytes));
        Ok(Applied {
            last: last.transpose().map_err(damaged)?,
            members: members.transpose().map_err(damaged)?.unwrap_or_default(),
            hollow,
        })
    }

    /// Adds to a batch that a group has applied an entry.
    pub(super) fn put_applied(
        &self,
        batch: &mut WriteBatch,
        group: GroupId,
        last: &LogId,
    ) -> Result<(), Fault> {
        let value = codec::encode_log_id(last);
        batch.put_cf(self.raft()?, group_key(group, APPLIED), value);
        Ok(())
    }

    /// Adds a group's membership to a batch.
    pub(super) fn put_members(
        &self,
        batch: &mut WriteBatch,
        group: GroupId,
        members: &StoredMembership,
    ) -> Result<(), Fault> {
        let value = codec::encode_membership(members);
        batch.put_cf(self.raft()?, group_key(group, MEMBERS), value);
        Ok(())
    }

    /// Adds a machine's changes to a batch.
    pub(crate) fn put_changes(
        &self,
        batch: &mut WriteBatch,
        group: GroupId,
        changes: &Changes,
    ) -> Result<(), Fault> {
        for (table, from, until) in changes.spans() {
            let end = match until {
                Some(until) => group_key(group, until),
                None => group_end(group)?.to_vec(),
            };
            batch.delete_range_cf(self.family(table)?, group_key(group, from), end);
        }
        for (table, key, value) in changes.iter() {
            let family = self.family(table)?;
            let key = group_key(group, key);
            match value {
                Some(value) => batch.put_cf(family, key, value),
                None => batch.delete_cf(family, key),
            }
        }
        Ok(())
    }

    /// Writes or removes one row behind everybody's back. For tests.
    pub(crate) fn alter(
        &self,
        group: GroupId,
        (table, key): (Table, &[u8]),
        value: Option<&[u8]>,
    ) -> Result<(), Fault> {
        let mut changes = Changes::default();
        changes.set(table, key, value);
        let mut batch = WriteBatch::default();
        self.put_changes(&mut batch, group, &changes)?;
        self.write_pending(group)?;
        self.write_around(group, batch)
    }

    /// Writes something else than entries' changes to a group, of which nothing is pending.
    pub(crate) fn write_around(&self, group: GroupId, batch: WriteBatch) -> Result<(), Fault> {
        let slot = self.slot(group);
        let mut recent = slot.lock();
        let written = self.write(batch);
        recent.forget();
        written
    }

    /// Writes a batch, atomically but not durably.
    pub(super) fn write(&self, batch: WriteBatch) -> Result<(), Fault> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.db.write_opt(batch, &options).map_err(store_fault)
    }

    /// Makes everything written so far durable; blocks.
    pub(crate) fn flush_blocking(&self) -> Result<(), Fault> {
        if planted(Bug::PurgedBeforeFlush) {
            return Ok(());
        }
        if !planted(Bug::FlushedWithoutPending) {
            self.write_all_pending()?;
        }
        let mut families = vec![self.raft()?];
        for table in self.tables() {
            families.push(self.family(table)?);
        }
        let mut options = FlushOptions::default();
        options.set_wait(true);
        self.db
            .flush_cfs_opt(&families, &options)
            .map_err(store_fault)
    }

    /// Makes everything written so far durable. Those who wait at the same time share a flush.
    pub(crate) async fn flush(self: &Arc<Self>) -> Result<(), Fault> {
        let wanted = self.flush_wanted.fetch_add(1, Ordering::SeqCst) + 1;
        let mut done = self.flush_done.lock().await;
        if *done >= wanted {
            return Ok(());
        }
        let covered = self.flush_wanted.load(Ordering::SeqCst);
        let state = Arc::clone(self);
        tokio::task::spawn_blocking(move || state.flush_blocking())
            .await
            .map_err(|cause| Fault::Store(cause.to_string()))??;
        *done = covered;
        Ok(())
    }
}
