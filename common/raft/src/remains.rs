//! What is left of a store that is lost or damaged: kept until its process is rebuilt, for whoever wants to look, unless it
//! takes the space that the new one needs. And how a store that is gone as a whole is told from one that has not begun.
//!
//! **Invariant:** a process that has answered anybody has a note beside its store that there is one.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

use eggs_durable::sync_directory;
use rustix::fs::statvfs;

use crate::StartError;

/// The directory of the store below that of its process.
pub const STORE: &str = "raft";
/// Where it is put.
const AWAY: &str = "raft.lost";
/// The note beside a store.
const BEGUN: &str = "raft.begun";
/// What a store has from its beginning on.
const FIRST_FILES: [&str; 2] = ["log", "log.mark"];

/// Notes durably that a store has begun in the directory of a process: before the process answers anybody.
pub async fn note_begun(dir: &Path) -> Result<(), StartError> {
    let place = dir.to_path_buf();
    let noted = tokio::task::spawn_blocking(move || note(&place)).await;
    let noted = noted.unwrap_or_else(|panicked| Err(io::Error::other(panicked)));
    noted.map_err(|source| StartError::Io {
        action: format!("note that there is a store in {}", dir.display()),
        source,
    })
}

fn note(dir: &Path) -> io::Result<()> {
    let note = dir.join(BEGUN);
    if note.exists() {
        return Ok(());
    }
    File::create(&note)?.sync_all()?;
    sync_directory(dir)
}

/// Whether there was a store and nothing of its log is left: it is on a disk that is lost, or not mounted.
pub fn is_gone(dir: &Path) -> bool {
    let store = dir.join(STORE);
    dir.join(BEGUN).exists() && !FIRST_FILES.iter().any(|file| store.join(file).exists())
}

/// Puts the store away. What was put away earlier is removed.
pub fn put_away(dir: &Path) -> io::Result<()> {
    match fs::remove_file(dir.join(BEGUN)) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let (store, away) = (dir.join(STORE), dir.join(AWAY));
    let mut entries = match fs::read_dir(&store) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        // What cannot be looked at may be a store, which must not be opened under another name.
        Err(error) => return Err(error),
    };
    if entries.next().is_none() {
        return Ok(()); // perhaps another disk, which cannot be renamed
    }
    remove_all(&away)?;
    fs::rename(&store, &away)?;
    sync_directory(dir)?;
    if !may_stay(&away, dir) {
        tracing::warn!(dir = %away.display(), "what is left of the lost store is removed: its space is needed");
        remove(dir)?;
    }
    Ok(())
}

/// Removes what was put away, if there is something.
pub fn remove(dir: &Path) -> io::Result<()> {
    remove_all(&dir.join(AWAY))
}

fn remove_all(away: &Path) -> io::Result<()> {
    match fs::remove_dir_all(away) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Whether there is space for as much again, twice: stores need more while they merge. If that cannot be found out, the
/// new store counts for more.
fn may_stay(away: &Path, dir: &Path) -> bool {
    let (Ok(held), Ok(disk)) = (bytes_below(away), statvfs(dir)) else {
        return false;
    };
    disk.f_bavail.saturating_mul(disk.f_frsize) / 2 > held
}

/// Bytes of all files below a directory, which is as deep as stores are.
fn bytes_below(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    let mut left = vec![dir.to_path_buf()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let found = entry.metadata()?;
            if found.is_dir() {
                left.push(entry.path());
            } else {
                bytes += found.len();
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_gone_is_told_from_one_that_has_not_begun() {
        let dir = tempfile::tempdir().unwrap();
        let (dir, store) = (dir.path(), dir.path().join(STORE));
        assert!(!is_gone(dir), "new");
        fs::create_dir_all(store.join("log")).unwrap();
        note(dir).unwrap();
        note(dir).unwrap();
        assert!(!is_gone(dir), "as it should be");
        fs::rename(&store, dir.join("elsewhere")).unwrap();
        assert!(is_gone(dir), "no directory");
        fs::create_dir(&store).unwrap();
        assert!(is_gone(dir), "another disk");
        fs::write(store.join("log.mark"), []).unwrap();
        assert!(!is_gone(dir), "the mark says what is missing");
        fs::remove_file(store.join("log.mark")).unwrap();
        put_away(dir).unwrap();
        assert!(!is_gone(dir) && store.exists() && !dir.join(AWAY).exists());
        fs::create_dir(store.join("state")).unwrap();
        put_away(dir).unwrap();
        assert!(!store.exists() && dir.join(AWAY).join("state").exists());
        put_away(dir).unwrap();
        fs::write(&store, []).unwrap();
        assert!(put_away(dir).is_err(), "it cannot be looked at");
    }
}
