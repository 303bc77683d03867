//! Cuts the power of a process: takes back what it wrote and never synced.
//!
//! `shim/faults.c` notes every write to a regular file with what it overwrites, and every sync. Undone backwards, the notes of
//! what was not synced bring each file back to its last sync. This is the worst that a disk may do which never lies; what it
//! may also do, losing a part of it, is left to `make raft-crash`. Files that were made, renamed or removed stay so, and cutting a
//! file off counts as synced: that directories are synced is not tested by this.
//!
//! **Invariant:** what a sync has acknowledged is never taken back.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

const NOTE_WRITE: u64 = 1;
const NOTE_SYNC: u64 = 2;
const NOTE_BYTES: usize = 48;

/// Number and time of birth of a file.
type Which = (u64, u64);

/// Processes whose power was cut, with the directories of what they write.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    cut: Mutex<BTreeMap<String, PathBuf>>,
    writes: AtomicU64,
}

impl Unsynced {
    /// What this process wrote here is lost.
    pub fn lose(&self, process: &str, dir: PathBuf) {
        let mut cut = self.cut.lock().unwrap_or_else(PoisonError::into_inner);
        cut.insert(process.to_owned(), dir);
    }

    /// Writes that were taken back until now.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// Called before a process starts again, and never while it runs.
    pub fn take_back(&self, process: &str, journal: &Path) -> Result<()> {
        let cut = {
            let mut cut = self.cut.lock().unwrap_or_else(PoisonError::into_inner);
            cut.remove(process)
        };
        let Some(dir) = cut else {
            return Ok(());
        };
        let notes = fs::read(journal).with_context(|| format!("read {}", journal.display()))?;
        let mut files = BTreeMap::new();
        find(&dir, &mut files)?;
        let writes = undo(&parse(&notes)?, &files)?;
        self.writes.fetch_add(writes, Ordering::Relaxed);
        // Everything that is there now would be there after a power cut.
        fs::write(journal, b"").with_context(|| format!("empty {}", journal.display()))
    }
}

/// A write that was noted.
struct Write<'a> {
    at: u64,
    which: Which,
    offset: u64,
    size_before: u64,
    overwritten: &'a [u8],
}

struct Notes<'a> {
    writes: Vec<Write<'a>>,
    /// Up to where in the journal writes to a file were synced.
    synced: BTreeMap<Which, u64>,
}

fn parse(notes: &[u8]) -> Result<Notes<'_>> {
    let (mut writes, mut synced) = (Vec::new(), BTreeMap::new());
    let mut rest = notes;
    // The last note may be torn: its write never began.
    while let Some((note, after)) = rest.split_at_checked(NOTE_BYTES) {
        let at = (notes.len() - rest.len()) as u64;
        let mut words = note.chunks_exact(8).map(|word| {
            let word = word.try_into().expect("chunks of eight");
            u64::from_ne_bytes(word)
        });
        let mut next = || words.next().expect("six words in a note");
        let (kind, inode, born) = (next(), next(), next());
        let (offset, size_before, bytes) = (next(), next(), next());
        let which = (inode, born);
        match kind {
            NOTE_WRITE => {
                let Some((overwritten, after)) = after.split_at_checked(bytes as usize) else {
                    break;
                };
                rest = after;
                writes.push(Write {
                    at,
                    which,
                    offset,
                    size_before,
                    overwritten,
                });
            }
            NOTE_SYNC => {
                rest = after;
                let upto: &mut u64 = synced.entry(which).or_default();
                *upto = (*upto).max(offset);
            }
            other => bail!("a note of kind {other} at {at}"),
        }
    }
    Ok(Notes { writes, synced })
}

/// How many writes were undone.
fn undo(notes: &Notes<'_>, files: &BTreeMap<Which, PathBuf>) -> Result<u64> {
    let mut undone = 0;
    let mut open: BTreeMap<Which, File> = BTreeMap::new();
    for write in notes.writes.iter().rev() {
        let synced = notes.synced.get(&write.which).copied().unwrap_or(0);
        let Some(path) = files.get(&write.which).filter(|_| write.at >= synced) else {
            continue;
        };
        undone += 1;
        let file = match open.entry(write.which) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let file = OpenOptions::new().write(true).open(path);
                entry.insert(file.with_context(|| format!("open {}", path.display()))?)
            }
        };
        let size = file.metadata().context("look at a file")?.len();
        if size > write.size_before {
            file.set_len(write.size_before).context("cut a file off")?;
        }
        // A file that was cut off since is not made longer again.
        let there = size.min(write.size_before).saturating_sub(write.offset);
        let there = usize::try_from(there).unwrap_or(usize::MAX);
        let old = &write.overwritten[..write.overwritten.len().min(there)];
        file.write_all_at(old, write.offset)
            .with_context(|| format!("write {}", path.display()))?;
    }
    Ok(undone)
}

fn find(dir: &Path, files: &mut BTreeMap<Which, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))? {
        let entry = entry.context("list a directory")?;
        let metadata = entry.metadata().context("look at a file")?;
        if metadata.is_dir() {
            find(&entry.path(), files)?;
        } else if metadata.is_file() {
            let born = metadata.created().context("when a file was made")?;
            let born = born.duration_since(SystemTime::UNIX_EPOCH);
            let born = born.map_or(0, |age| age.as_nanos() as u64);
            files.insert((metadata.ino(), born), entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::dress::faults;

    #[test]
    fn what_was_synced_is_there_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let library = faults::compile(dir.path()).unwrap();
        let (journal, data) = (dir.path().join("journal"), dir.path().join("data"));
        fs::create_dir(&data).unwrap();
        // Written, synced, appended, overwritten; one that was never synced; one whose number may be used again.
        let line = "import os\n\
            a = os.open('a', os.O_CREAT | os.O_WRONLY); os.write(a, b'one two'); os.fsync(a)\n\
            os.write(a, b' three'); os.pwrite(a, b'ONE', 0); os.pwrite(a, b'.' * 20, 2)\n\
            b = os.open('b', os.O_CREAT | os.O_WRONLY); os.write(b, b'lost')\n\
            c = os.open('c', os.O_CREAT | os.O_WRONLY); os.write(c, b'gone'); os.unlink('c'); os.close(c)\n\
            d = os.open('d', os.O_CREAT | os.O_WRONLY); os.write(d, b'kept'); os.fdatasync(d)\n\
            os.write(d, b', not this'); os.rename('d', 'e')\n\
            os.kill(os.getpid(), 9)";
        let none = dir.path().join("faults");
        faults::Faults::default().write(&none).unwrap();
        let mut command = Command::new("python3");
        command.arg("-c").arg(line).current_dir(&data);
        command
            .env("LD_PRELOAD", library)
            .env("EGGS_FAULTS", &none)
            .env("EGGS_UNSYNCED", &journal);
        command.status().unwrap();
        let read = |name: &str| fs::read_to_string(data.join(name)).unwrap();
        assert_eq!(read("a"), format!("ON{}", ".".repeat(20)));
        let unsynced = Unsynced::default();
        unsynced.take_back("x", &journal).unwrap();
        assert_eq!(read("b"), "lost", "the power was not cut");
        unsynced.lose("x", data.clone());
        unsynced.take_back("x", &journal).unwrap();
        assert_eq!(read("a"), "one two");
        assert_eq!(read("b"), "");
        assert_eq!(read("e"), "kept");
        unsynced.lose("x", data.clone());
        unsynced.take_back("x", &journal).unwrap();
        assert_eq!(read("e"), "kept", "it is lost once");
        assert_eq!(unsynced.writes(), 5);
    }
}
