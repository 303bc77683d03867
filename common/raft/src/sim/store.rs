//! As much of RocksDB's interface as logs and states use, over a disk in memory.

use std::marker::PhantomData;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use super::disk::{CRASHED, Data, Disk, Inner, Versions, disk_at};
use super::planted;
use crate::kv::Bug;
use crate::rocks::StoreKind;

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Error(String);

impl Error {
    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

fn failed(cause: &'static str) -> Error {
    Error(cause.to_owned())
}

pub(crate) struct ColumnFamily(usize);

/// A store of one start of a node.
pub(crate) struct DB {
    disk: Disk,
    boot: u64,
    kind: StoreKind,
    families: Vec<(String, ColumnFamily)>,
}

enum Change {
    Put(usize, Vec<u8>, Vec<u8>),
    Delete(usize, Vec<u8>),
    DeleteRange(usize, Vec<u8>, Vec<u8>),
}

#[derive(Default)]
pub(crate) struct WriteBatch(Vec<Change>);

impl WriteBatch {
    pub(crate) fn put_cf(
        &mut self,
        family: &ColumnFamily,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) {
        let (key, value) = (key.as_ref().to_vec(), value.as_ref().to_vec());
        self.0.push(Change::Put(family.0, key, value));
    }

    pub(crate) fn delete_cf(&mut self, family: &ColumnFamily, key: impl AsRef<[u8]>) {
        self.0.push(Change::Delete(family.0, key.as_ref().to_vec()));
    }

    pub(crate) fn delete_range_cf(
        &mut self,
        family: &ColumnFamily,
        from: impl AsRef<[u8]>,
        until: impl AsRef<[u8]>,
    ) {
        let (from, until) = (from.as_ref().to_vec(), until.as_ref().to_vec());
        self.0.push(Change::DeleteRange(family.0, from, until));
    }

    fn apply(self, data: &mut Data) {
        for change in self.0 {
            match change {
                Change::Put(family, key, value) => drop(data.insert((family, key), value)),
                Change::Delete(family, key) => drop(data.remove(&(family, key))),
                Change::DeleteRange(family, from, until) => {
                    let range = (family, from)..(family, until);
                    let keys: Vec<_> = data.range(range).map(|(key, _)| key.clone()).collect();
                    for key in keys {
                        data.remove(&key);
                    }
                }
            }
        }
    }
}

#[derive(Default)]
pub(crate) struct WriteOptions {
    sync: bool,
}

impl WriteOptions {
    pub(crate) fn set_sync(&mut self, sync: bool) {
        self.sync = sync;
    }

    /// That is a matter of the store here.
    pub(crate) fn disable_wal(&mut self, _disabled: bool) {}
}

#[derive(Default)]
pub(crate) struct FlushOptions {
    wait: bool,
}

impl FlushOptions {
    pub(crate) fn set_wait(&mut self, wait: bool) {
        self.wait = wait;
    }
}

#[derive(Default)]
pub(crate) struct CompactOptions(());

impl CompactOptions {
    pub(crate) fn set_exclusive_manual_compaction(&mut self, _exclusive: bool) {}
}

#[derive(Default)]
pub(crate) struct ReadOptions {
    moment: Option<Arc<Data>>,
    from: Option<Vec<u8>>,
    until: Option<Vec<u8>>,
}

impl ReadOptions {
    pub(crate) fn set_snapshot(&mut self, moment: &SnapshotWithThreadMode<'_, DB>) {
        self.moment = Some(Arc::clone(&moment.data));
    }

    pub(crate) fn set_iterate_lower_bound(&mut self, from: impl Into<Vec<u8>>) {
        self.from = Some(from.into());
    }

    pub(crate) fn set_iterate_upper_bound(&mut self, until: impl Into<Vec<u8>>) {
        self.until = Some(until.into());
    }

    /// Nothing is cached here.
    pub(crate) fn fill_cache(&mut self, _does: bool) {}

    pub(crate) fn set_readahead_size(&mut self, _bytes: usize) {}
}

pub(crate) struct SnapshotWithThreadMode<'a, D> {
    data: Arc<Data>,
    _of: PhantomData<&'a D>,
}

pub(crate) enum Direction {
    Forward,
}

pub(crate) enum IteratorMode<'a> {
    Start,
    From(&'a [u8], Direction),
}

type Item = (Box<[u8]>, Box<[u8]>);

/// Goes over what was there when it was made.
pub(crate) struct RawIterator {
    items: Vec<Item>,
    at: Option<usize>,
}

impl RawIterator {
    pub(crate) fn seek_to_first(&mut self) {
        self.at = Some(0);
    }

    pub(crate) fn seek_to_last(&mut self) {
        self.at = self.items.len().checked_sub(1);
    }

    pub(crate) fn next(&mut self) {
        self.at = self.at.map(|at| at + 1);
    }

    pub(crate) fn prev(&mut self) {
        self.at = self.at.and_then(|at| at.checked_sub(1));
    }

    pub(crate) fn item(&self) -> Option<(&[u8], &[u8])> {
        let (key, value) = self.items.get(self.at?)?;
        Some((key, value))
    }

    pub(crate) fn status(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl DB {
    pub(crate) fn open(kind: StoreKind, path: &Path, families: &[&str]) -> Self {
        let disk = disk_at(path.parent().unwrap_or(path));
        let boot = disk.boot();
        let numbered = families.iter().enumerate();
        Self {
            disk,
            boot,
            kind,
            families: numbered
                .map(|(number, name)| ((*name).to_owned(), ColumnFamily(number)))
                .collect(),
        }
    }

    fn versions<'a>(&self, inner: &'a Inner) -> &'a Versions {
        match self.kind {
            StoreKind::Log => &inner.image.log,
            StoreKind::State => &inner.image.state,
        }
    }

    fn data(&self, options: &ReadOptions) -> Result<Arc<Data>, Error> {
        if let Some(moment) = &options.moment {
            return Ok(Arc::clone(moment));
        }
        let inner = self.disk.lock();
        if inner.boot != self.boot {
            return Err(failed(CRASHED));
        }
        Ok(self.versions(&inner).last())
    }

    pub(crate) fn cf_handle(&self, name: &str) -> Option<&ColumnFamily> {
        let mut families = self.families.iter();
        families.find(|(n, _)| n == name).map(|(_, family)| family)
    }

    pub(crate) fn get_cf_opt(
        &self,
        family: &ColumnFamily,
        key: impl AsRef<[u8]>,
        options: &ReadOptions,
    ) -> Result<Option<Vec<u8>>, Error> {
        let data = self.data(options)?;
        Ok(data.get(&(family.0, key.as_ref().to_vec())).cloned())
    }

    pub(crate) fn batched_multi_get_cf_opt(
        &self,
        family: &ColumnFamily,
        keys: &[Vec<u8>],
        _sorted: bool,
        options: &ReadOptions,
    ) -> Vec<Result<Option<Vec<u8>>, Error>> {
        let get = |key: &Vec<u8>| self.get_cf_opt(family, key, options);
        keys.iter().map(get).collect()
    }

    pub(crate) fn get_pinned_cf(
        &self,
        family: &ColumnFamily,
        key: impl AsRef<[u8]>,
    ) -> Result<Option<Vec<u8>>, Error> {
        self.get_cf_opt(family, key, &ReadOptions::default())
    }

    fn items(&self, family: &ColumnFamily, options: ReadOptions) -> Result<Vec<Item>, Error> {
        let data = self.data(&options)?;
        let from = Bound::Included((family.0, options.from.unwrap_or_default()));
        let until = match options.until {
            Some(until) => Bound::Excluded((family.0, until)),
            None => Bound::Excluded((family.0 + 1, Vec::new())),
        };
        let range = data.range((from, until));
        Ok(range
            .map(|((_, key), value)| (key.as_slice().into(), value.as_slice().into()))
            .collect())
    }

    pub(crate) fn iterator_cf_opt(
        &self,
        family: &ColumnFamily,
        mut options: ReadOptions,
        mode: IteratorMode<'_>,
    ) -> impl Iterator<Item = Result<Item, Error>> + use<> {
        match mode {
            IteratorMode::Start => {}
            IteratorMode::From(from, Direction::Forward) => options.from = Some(from.to_vec()),
        }
        let (items, error) = match self.items(family, options) {
            Ok(items) => (items, None),
            Err(error) => (Vec::new(), Some(Err(error))),
        };
        items.into_iter().map(Ok).chain(error)
    }

    pub(crate) fn iterator_cf(
        &self,
        family: &ColumnFamily,
        mode: IteratorMode<'_>,
    ) -> impl Iterator<Item = Result<Item, Error>> + use<> {
        self.iterator_cf_opt(family, ReadOptions::default(), mode)
    }

    pub(crate) fn raw_iterator_cf_opt(
        &self,
        family: &ColumnFamily,
        options: ReadOptions,
    ) -> RawIterator {
        RawIterator {
            items: self.items(family, options).unwrap_or_default(),
            at: None,
        }
    }

    pub(crate) fn snapshot(&self) -> SnapshotWithThreadMode<'_, Self> {
        SnapshotWithThreadMode {
            data: self.versions(&self.disk.lock()).last(),
            _of: PhantomData,
        }
    }

    pub(crate) fn write_opt(&self, batch: WriteBatch, options: &WriteOptions) -> Result<(), Error> {
        let mut inner = self.disk.lock();
        let mut data = Data::clone(&self.versions(&inner).last());
        batch.apply(&mut data);
        let sync = options.sync && !planted(Bug::AcknowledgedBeforeSync);
        match self.kind {
            StoreKind::Log => inner.log_write(self.boot, data, sync),
            StoreKind::State => inner.state_write(self.boot, data),
        }
        .map_err(failed)
    }

    pub(crate) fn flush_cfs_opt(
        &self,
        _families: &[&ColumnFamily],
        options: &FlushOptions,
    ) -> Result<(), Error> {
        debug_assert!(options.wait, "what is not waited for is not durable");
        self.disk.lock().state_flush(self.boot).map_err(failed)
    }

    /// Nothing is merged here.
    #[expect(clippy::unused_self, clippy::unnecessary_wraps)] // as RocksDB has it
    pub(crate) fn property_int_value_cf(
        &self,
        _family: &ColumnFamily,
        _name: &str,
    ) -> Result<Option<u64>, Error> {
        Ok(None)
    }

    #[expect(clippy::unused_self, clippy::unnecessary_wraps)] // as RocksDB has it
    pub(crate) fn set_options_cf(
        &self,
        _family: &ColumnFamily,
        _options: &[(&str, &str)],
    ) -> Result<(), Error> {
        Ok(())
    }

    pub(crate) fn compact_range_cf_opt(
        &self,
        family: &ColumnFamily,
        from: Option<&[u8]>,
        until: Option<&[u8]>,
        _options: &CompactOptions,
    ) {
        self.compact_range_cf(family, from, until);
    }

    /// Nothing is kept twice here.
    pub(crate) fn compact_range_cf(
        &self,
        _family: &ColumnFamily,
        _from: Option<&[u8]>,
        _until: Option<&[u8]>,
    ) {
    }
}
