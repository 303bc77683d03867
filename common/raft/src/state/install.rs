//! Replacing a group's state by a checkpoint, so that a crash in the middle is only a delay.
//!
//! 1. The complete checkpoint is a synced file.
//! 2. A note naming it is written and flushed.
//! 3. The group's range is cleared and filled.
//! 4. The applied index is written, the note removed, and all is flushed.
//! 5. The file goes.
//!
//! A node that starts and finds the note begins again at 3.

use std::fs;
use std::path::{Path, PathBuf};

use crate::kv::{Direction, IteratorMode, WriteBatch};
use eggs_machine::{Fault, Table};
use eggs_proto::GroupId;
use serde::{Deserialize, Serialize};

use super::checkpoint::{Chunk, ChunkReader, ChunkWriter, Staged, for_each};
use super::db::{Applied, HOLLOW, INSTALLING, StateDb};
use super::view::{GroupView, group_end, group_key, store_fault};
use crate::codec;

#[derive(Serialize, Deserialize)]
struct Note {
    file: String,
    last: Vec<u8>,
    members: Vec<u8>,
}

impl StateDb {
    /// Installs a staged checkpoint; blocks. Returns once it is durable.
    pub(crate) fn install(
        &self,
        group: GroupId,
        staged: &Staged,
        applied: &Applied,
    ) -> Result<(), Fault> {
        self.note(group, staged, applied)?;
        self.replace(group, staged, applied)
    }

    /// Notes durably that an installation has begun. The flush writes out what is pending, before its place is taken.
    pub(crate) fn note(
        &self,
        group: GroupId,
        staged: &Staged,
        applied: &Applied,
    ) -> Result<(), Fault> {
        let Some(last) = &applied.last else {
            return Err(Fault::Damaged("a checkpoint of nothing".into()));
        };
        let file = staged.path.file_name().and_then(|name| name.to_str());
        let note = Note {
            file: file.unwrap_or_default().to_owned(),
            last: codec::encode_log_id(last),
            members: codec::encode_membership(&applied.members),
        };
        let note = postcard::to_stdvec(&note).expect("a note always encodes");
        let mut batch = WriteBatch::default();
        batch.put_cf(self.raft()?, group_key(group, INSTALLING), note);
        self.write(batch)?;
        self.flush_blocking()
    }

    /// Finishes what a crash interrupted, and removes what nobody needs; blocks.
    pub(crate) fn finish_installs(&self) -> Result<(), Fault> {
        for (group, note) in self.notes()? {
            let note: Note = postcard::from_bytes(&note)
                .map_err(|cause| Fault::Damaged(format!("install note of {group}: {cause}")))?;
            let bad = |cause: codec::Undecodable| Fault::Damaged(cause.to_string());
            let applied = Applied {
                last: Some(codec::decode_log_id(&note.last).map_err(bad)?),
                members: codec::decode_membership(&note.members).map_err(bad)?,
                hollow: false,
            };
            let staged = Staged {
                path: self.staging.join(&note.file),
            };
            tracing::info!(%group, "a checkpoint is installed again after a crash");
            self.replace(group, &staged, &applied)?;
        }
        for entry in fs::read_dir(&self.staging).map_err(io_fault)? {
            fs::remove_file(entry.map_err(io_fault)?.path()).map_err(io_fault)?;
        }
        Ok(())
    }

    fn notes(&self) -> Result<Vec<(GroupId, Vec<u8>)>, Fault> {
        let mut notes = Vec::new();
        let mode = IteratorMode::From(&[], Direction::Forward);
        for item in self.db.iterator_cf(self.raft()?, mode) {
            let (key, value) = item.map_err(store_fault)?;
            if let Some((group, tag)) = key.split_first_chunk::<2>()
                && tag == INSTALLING
            {
                notes.push((GroupId(u16::from_be_bytes(*group)), value.into_vec()));
            }
        }
        Ok(notes)
    }

    fn replace(&self, group: GroupId, staged: &Staged, applied: &Applied) -> Result<(), Fault> {
        let mut batch = WriteBatch::default();
        self.clear(&mut batch, group)?;
        self.write_around(group, batch)?;
        let mut reader = ChunkReader::open(&staged.path).map_err(io_fault)?;
        while let Some(chunk) = reader.next().map_err(io_fault)? {
            let mut batch = WriteBatch::default();
            let mut unknown = false;
            let whole = for_each(&chunk, |table, key, value| {
                match self.family(Table(table)) {
                    Ok(family) => batch.put_cf(family, group_key(group, key), value),
                    Err(_) => unknown = true,
                }
            });
            if !whole || unknown {
                return Err(Fault::Damaged("a checkpoint of another version".into()));
            }
            self.write_around(group, batch)?;
        }
        let mut batch = WriteBatch::default();
        if let Some(last) = &applied.last {
            self.put_applied(&mut batch, group, last)?;
        }
        self.put_members(&mut batch, group, &applied.members)?;
        for tag in [INSTALLING, HOLLOW] {
            batch.delete_cf(self.raft()?, group_key(group, tag));
        }
        self.write_around(group, batch)?;
        self.flush_blocking()?;
        remove(&staged.path)
    }

    /// Removes everything of a group from all tables.
    pub(super) fn clear(&self, batch: &mut WriteBatch, group: GroupId) -> Result<(), Fault> {
        for table in self.tables() {
            self.clear_table(batch, group, table)?;
        }
        Ok(())
    }

    fn clear_table(
        &self,
        batch: &mut WriteBatch,
        group: GroupId,
        table: Table,
    ) -> Result<(), Fault> {
        let family = self.family(table)?;
        batch.delete_range_cf(family, group.0.to_be_bytes(), group_end(group)?);
        Ok(())
    }

    /// Writes a group's whole state, as of one moment, to a file; blocks.
    pub(crate) fn stage(&self, group: GroupId, path: PathBuf) -> Result<Staged, Fault> {
        let mut file = ChunkWriter::create(path).map_err(io_fault)?;
        let mut written = Ok(());
        self.stream(&GroupView::moment(self, group), &mut |chunk| {
            written = file.push(&chunk);
            written.is_ok()
        })?;
        written.and_then(|()| file.finish()).map_err(io_fault)
    }

    /// Sends a group's whole state, as of one moment, to `send` chunk by chunk; blocks. `send` says whether to go on.
    pub(crate) fn stream(
        &self,
        view: &GroupView<'_>,
        send: &mut dyn FnMut(bytes::Bytes) -> bool,
    ) -> Result<(), Fault> {
        let mut chunk = Chunk::default();
        let mut going = true;
        for table in self.tables() {
            view.each(table, &mut |key, value| {
                chunk.push(table.0, key, value);
                if chunk.is_full() {
                    going = send(chunk.take());
                }
                going
            })?;
            if !going {
                return Ok(());
            }
        }
        if !chunk.is_empty() {
            send(chunk.take());
        }
        Ok(())
    }
}

fn remove(path: &Path) -> Result<(), Fault> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io_fault(e)),
        _ => Ok(()),
    }
}

fn io_fault(cause: std::io::Error) -> Fault {
    Fault::Store(cause.to_string())
}
