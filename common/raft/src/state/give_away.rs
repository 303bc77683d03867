//! Giving the rows of a group away, when its replica has left the group: see [`crate::hollow`].

use eggs_machine::Fault;
use eggs_proto::GroupId;

use super::StateDb;
use super::db::{APPLIED, HOLLOW};
use super::view::{group_end, group_key};
use crate::codec;
use crate::kv::{CompactOptions, WriteBatch};
use crate::types::LogId;

impl StateDb {
    /// Removes all rows of a group; what Raft knows of it stays.
    pub(super) fn give_away(&self, group: GroupId, applied: &LogId) -> Result<(), Fault> {
        self.write_pending(group)?;
        let mut batch = WriteBatch::default();
        self.clear(&mut batch, group)?;
        batch.delete_cf(self.raft()?, group_key(group, APPLIED));
        let applied = codec::encode_log_id(applied);
        batch.put_cf(self.raft()?, group_key(group, HOLLOW), applied);
        self.write_around(group, batch)
    }

    /// Gives the space of a group's removed rows back at once; blocks.
    pub(crate) fn compact(&self, group: GroupId) {
        let Ok(end) = group_end(group) else {
            return; // the last number there is belongs to no group
        };
        let mut options = CompactOptions::default();
        options.set_exclusive_manual_compaction(false); // others need theirs meanwhile
        for family in self.tables().filter_map(|table| self.family(table).ok()) {
            let (start, end): (&[u8], &[u8]) = (&group.0.to_be_bytes(), end.as_ref());
            self.db
                .compact_range_cf_opt(family, Some(start), Some(end), &options);
        }
    }
}

#[cfg(test)]
#[cfg(not(feature = "sim"))]
mod tests {
    use eggs_machine::{Changes, StoreRead as _};

    use super::*;
    use crate::state::{Applied, Chunk, ChunkWriter, GroupView, Reader};
    use crate::storage_tests::{TABLES, log_id, open_state};

    const GROUP: GroupId = GroupId(7);
    const NEIGHBOURS: [GroupId; 2] = [GroupId(6), GroupId(8)];

    /// What one entry leaves in every table.
    fn entry(value: u8) -> Changes {
        let mut changes = Changes::default();
        for spec in TABLES {
            changes.set(spec.table, b"", Some(&[value]));
            changes.set(spec.table, &[0xff; 20], Some(&[value]));
        }
        changes
    }

    fn count(state: &StateDb, group: GroupId) -> usize {
        let view = GroupView::newest(state, group);
        let mut count = 0;
        for spec in TABLES {
            view.each(spec.table, &mut |_, _| {
                count += 1;
                true
            })
            .unwrap();
        }
        count
    }

    /// Of all groups; removed ones count as long as their space is not given back.
    fn entries_in_files(state: &StateDb) -> u64 {
        let files = state.db.live_files().unwrap();
        let of_raft = |file: &rocksdb::LiveFile| file.column_family_name == "raft";
        let tables = files.iter().filter(|file| !of_raft(file));
        tables.map(|file| file.num_entries).sum()
    }

    fn is_hollow(state: &StateDb) -> bool {
        state.applied(GROUP).unwrap().hollow
    }

    #[test]
    fn rows_go_and_what_raft_knows_stays_until_a_checkpoint_comes() {
        let dir = tempfile::tempdir().unwrap();
        let state = open_state(dir.path());
        for group in NEIGHBOURS.into_iter().chain([GROUP]) {
            state.append(group, entry(1), log_id(4)).unwrap();
            state.flush_blocking().unwrap();
            state.append(group, entry(2), log_id(5)).unwrap(); // pending
        }
        let (all, before) = (count(&state, GROUP), GroupView::moment(&state, GROUP));
        assert!(before.whole().unwrap().is_some());
        state.write_pending(GROUP).unwrap();
        let slot = state.slot(GROUP);
        let read = || Reader::new(&state, GROUP, &slot).get(TABLES[0].table, b"");
        assert!((0..3).all(|_| read().unwrap().is_some()));
        state.give_away(GROUP, &log_id(5)).unwrap();
        assert_eq!(read().unwrap(), None);
        assert_eq!((count(&state, GROUP), is_hollow(&state)), (0, true));
        assert!(GroupView::moment(&state, GROUP).whole().unwrap().is_none());
        // Whoever reads goes on reading what was there.
        assert!(before.get(TABLES[0].table, b"").unwrap().is_some());
        drop(before);
        state.flush_blocking().unwrap();
        state.compact(GROUP);
        assert_eq!(entries_in_files(&state), 2 * 2 * TABLES.len() as u64);
        drop(state);
        let state = open_state(dir.path());
        assert_eq!((count(&state, GROUP), is_hollow(&state)), (0, true));
        assert_eq!(state.applied(GROUP).unwrap().last, Some(log_id(5)));
        for neighbour in NEIGHBOURS {
            assert_eq!(count(&state, neighbour), all);
        }
        // A program from before this has to find a state that ends before its log begins.
        let key = group_key(GROUP, APPLIED);
        assert!(
            state
                .db
                .get_cf(state.raft().unwrap(), key)
                .unwrap()
                .is_none()
        );
        let mut chunk = Chunk::default();
        chunk.push(TABLES[0].table.0, b"new", b"2");
        let mut writer = ChunkWriter::create(state.staging.join("7")).unwrap();
        writer.push(&chunk.take()).unwrap();
        let applied = Applied {
            last: Some(log_id(9)),
            ..Applied::default()
        };
        state
            .install(GROUP, &writer.finish().unwrap(), &applied)
            .unwrap();
        assert_eq!((count(&state, GROUP), is_hollow(&state)), (1, false));
        let whole = GroupView::moment(&state, GROUP).whole().unwrap();
        assert_eq!(whole.unwrap().last, Some(log_id(9)));
    }
}
