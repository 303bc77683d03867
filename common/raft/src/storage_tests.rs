//! Both stores under openraft's own suite and under the store conformance suite.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::kv::WriteBatch;
use eggs_machine::{
    ApplyContext, Changes, Fault, Outcome, Scan, ScanDirection, StateMachine, Store, StoreRead,
    Table, TableSpec, Visit,
};
use eggs_proto::GroupId;
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};

use crate::Limits;
use crate::fatal::Fatal;
use crate::hollow::Hollow;
use crate::log::{GroupLog, LogDb};
use crate::rocks::SharedMemory;
use crate::state::{Applied, Chunk, ChunkWriter, GroupMachine, GroupView, Reader, Side, StateDb};
use crate::types::{LogId, TypeConfig};

pub(crate) const TABLES: [TableSpec; 2] = [
    TableSpec {
        table: Table(16),
        name: "one",
    },
    TableSpec {
        table: Table(200),
        name: "two",
    },
];

struct Silent;

impl StateMachine for Silent {
    fn apply(
        &self,
        _store: &mut dyn Store,
        _context: ApplyContext,
        _command: &[u8],
    ) -> Result<Outcome, Fault> {
        Ok(Outcome::Accepted(Vec::new()))
    }
}

struct Builder;

impl StoreBuilder<TypeConfig, GroupLog, GroupMachine, tempfile::TempDir> for Builder {
    async fn build(
        &self,
    ) -> Result<(tempfile::TempDir, GroupLog, GroupMachine), StorageError<TypeConfig>> {
        let dir = tempfile::tempdir().unwrap();
        let (limits, fatal) = (Limits::default(), Fatal::new());
        let memory = SharedMemory::new(&limits);
        let log = LogDb::open(dir.path(), &limits, &memory, &fatal).unwrap();
        let state = StateDb::open(dir.path(), &TABLES, &limits, &memory).unwrap();
        let side = Side {
            fatal,
            digests: Arc::default(),
            restoring: Arc::default(),
            hollow: Hollow::default(),
        };
        let machine = GroupMachine::open(GroupId(3), state, Arc::new(Silent), side).unwrap();
        Ok((dir, log.group(GroupId(3)), machine))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openraft_suite() {
    Suite::test_all(Builder).await.unwrap();
}

/// One group of the state store, written through at once.
struct Direct {
    state: Arc<StateDb>,
    group: GroupId,
}

impl StoreRead for Direct {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        GroupView::moment(&self.state, self.group).get(table, key)
    }

    fn get_many(&self, table: Table, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, Fault> {
        let slot = self.state.slot(self.group);
        Reader::new(&self.state, self.group, &slot).get_many(table, keys)
    }

    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), Fault> {
        GroupView::newest(&self.state, self.group).scan(scan, visit)
    }
}

impl Direct {
    fn set(&self, table: Table, key: &[u8], value: Option<&[u8]>) {
        let mut changes = Changes::default();
        changes.set(table, key, value);
        let mut batch = WriteBatch::default();
        self.state
            .put_changes(&mut batch, self.group, &changes)
            .unwrap();
        self.state.write_around(self.group, batch).unwrap();
    }
}

impl Store for Direct {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) {
        self.set(table, key, Some(value));
    }

    fn delete(&mut self, table: Table, key: &[u8]) {
        self.set(table, key, None);
    }
}

pub(crate) fn log_id(index: u64) -> LogId {
    LogId::new_term_index(1, index)
}

pub(crate) fn open_state(dir: &std::path::Path) -> Arc<StateDb> {
    let limits = Limits::default();
    StateDb::open(dir, &TABLES, &limits, &SharedMemory::new(&limits)).unwrap()
}

#[test]
fn the_state_store_is_a_store() {
    let dir = tempfile::tempdir().unwrap();
    let state = open_state(dir.path());
    // Neighbours whose keys must never be seen.
    for group in [6, 8] {
        let neighbour = Direct {
            state: Arc::clone(&state),
            group: GroupId(group),
        };
        for table in TABLES {
            neighbour.set(table.table, b"", Some(b"neighbour"));
            neighbour.set(table.table, b"\xff\xff\xff", Some(b"neighbour"));
        }
    }
    let mut store = Direct {
        state,
        group: GroupId(7),
    };
    let tables = TABLES.map(|spec| spec.table);
    eggs_machine::conformance::check_store(&mut store, tables);
}

/// Files are searched otherwise than what is in memory, many keys at a time.
#[test]
fn many_keys_are_found_in_files_and_in_any_order() {
    let dir = tempfile::tempdir().unwrap();
    let state = open_state(dir.path());
    let direct = Direct {
        state: Arc::clone(&state),
        group: GroupId(7),
    };
    let table = TABLES[0].table;
    let key = |n: u32| n.to_be_bytes().to_vec();
    for n in (0..4000).step_by(2) {
        direct.set(table, &key(n), Some(&[n as u8; 40]));
    }
    state.flush_blocking().unwrap();
    direct.set(table, &key(1), Some(b"in memory"));
    // Prime, so that every number comes once, and neighbours far from each other.
    let asked: Vec<_> = (0..4001).map(|n| key(n * 1999 % 4001)).collect();
    let wanted: Vec<_> = asked
        .iter()
        .map(|key| direct.get(table, key).unwrap())
        .collect();
    assert_eq!(wanted.iter().flatten().count(), 2001);
    assert_eq!(direct.get_many(table, &asked).unwrap(), wanted);
}

#[test]
fn a_view_is_of_the_moment_of_its_first_read() {
    let dir = tempfile::tempdir().unwrap();
    let (state, group) = (open_state(dir.path()), GroupId(7));
    let direct = Direct {
        state: Arc::clone(&state),
        group,
    };
    let [one, other] = TABLES.map(|spec| spec.table);
    direct.set(one, b"k", Some(b"1"));
    let slot = state.slot(group);
    let view = Reader::new(&state, group, &slot);
    direct.set(one, b"k", Some(b"2"));
    assert_eq!(view.get(one, b"k").unwrap(), Some(b"2".to_vec()));
    direct.set(one, b"k", Some(b"3"));
    direct.set(other, b"l", Some(b"4"));
    assert_eq!(view.get(one, b"k").unwrap(), Some(b"2".to_vec()));
    assert_eq!(view.get_many(other, &[b"l".to_vec()]).unwrap(), [None]);
    let mut seen = Vec::new();
    let scan = Scan {
        table: one,
        from: &[],
        until: None,
        direction: ScanDirection::Forward,
    };
    view.scan(scan, &mut |_, value| {
        seen.push(value.to_vec());
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(seen, [b"2"]);
}

#[test]
fn tables_declared_twice_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits::default();
    let twice = [TABLES[0], TABLES[0]];
    let opened = StateDb::open(dir.path(), &twice, &limits, &SharedMemory::new(&limits));
    assert!(matches!(opened, Err(crate::StartError::Config(_))));
}

#[test]
fn an_interrupted_installation_is_finished_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let group = GroupId(7);
    let applied = Applied {
        last: Some(LogId::new_term_index(3, 44)),
        ..Applied::default()
    };
    let direct = |state| Direct { state, group };
    {
        let state = open_state(dir.path());
        direct(Arc::clone(&state)).set(TABLES[0].table, b"old", Some(b"1"));
        let neighbour = Direct {
            state: Arc::clone(&state),
            group: GroupId(8),
        };
        neighbour.set(TABLES[0].table, b"old", Some(b"2"));
        let mut chunk = Chunk::default();
        chunk.push(TABLES[1].table.0, b"new", b"3");
        let mut writer = ChunkWriter::create(state.staging.join("7")).unwrap();
        writer.push(&chunk.take()).unwrap();
        let staged = writer.finish().unwrap();
        std::fs::write(state.staging.join("9"), b"abandoned").unwrap();
        let before = GroupView::moment(&state, group);
        state.note(group, &staged, &applied).unwrap();
        let during = GroupView::moment(&state, group);
        assert!(before.whole().unwrap().is_some());
        assert!(during.whole().unwrap().is_none(), "nobody reads that");
        // The process dies here.
    }
    let state = open_state(dir.path());
    assert_eq!(state.applied(group).unwrap().last, None);
    state.finish_installs().unwrap();
    assert_eq!(state.applied(group).unwrap().last, applied.last);
    let get = |group, table: usize, key| {
        let view = GroupView::moment(&state, group);
        view.get(TABLES[table].table, key).unwrap()
    };
    assert_eq!(get(group, 0, b"old"), None);
    assert_eq!(get(group, 1, b"new"), Some(b"3".to_vec()));
    assert_eq!(get(GroupId(8), 0, b"old"), Some(b"2".to_vec()));
    assert_eq!(std::fs::read_dir(&state.staging).unwrap().count(), 0);
    state.finish_installs().unwrap(); // nothing is left to do
}
