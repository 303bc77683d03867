//! What is left of a store that is lost or damaged: kept until its process is rebuilt, for whoever wants to look, unless it
//! takes the space that the new one needs.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

use rustix::fs::statvfs;

/// The directory of the store below that of its process.
pub const STORE: &str = "raft";
/// Where it is put.
const AWAY: &str = "raft.lost";

/// Puts the store away. What was put away earlier is removed.
pub fn put_away(dir: &Path) -> io::Result<()> {
    let (store, away) = (dir.join(STORE), dir.join(AWAY));
    if !store.exists() {
        return Ok(());
    }
    remove_all(&away)?;
    fs::rename(&store, &away)?;
    File::open(dir)?.sync_all()?;
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
