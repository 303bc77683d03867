//! The disk itself: how full it is, and the file that keeps some of it back.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::judge::{Disk, Lines, Reserve};

/// The name of the reserve in the directory of a node.
const RESERVE: &str = "reserve";

fn reserve_path(dir: &Path) -> PathBuf {
    dir.join(RESERVE)
}

/// How the disk of a directory is.
pub(super) fn look(dir: &Path) -> io::Result<Disk> {
    let found = statvfs(dir)?;
    let reserved = match fs::metadata(reserve_path(dir)) {
        Ok(file) => file.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(Disk {
        available_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        capacity_bytes: found.f_blocks.saturating_mul(found.f_frsize),
        reserved_bytes: reserved,
    })
}

/// Changes the reserve as decided. A file system that cannot set space aside has none.
pub(super) fn settle(dir: &Path, decided: Reserve) -> io::Result<()> {
    let path = reserve_path(dir);
    match decided {
        Reserve::Keep => Ok(()),
        Reserve::GiveBack => fs::remove_file(path),
        Reserve::Make(bytes) => {
            let made = File::create(&path)
                .and_then(|file| Ok(fallocate(&file, FallocateFlags::empty(), 0, bytes)?));
            made.inspect_err(|_| {
                // Half a reserve would count as a whole one.
                let _ = fs::remove_file(&path);
            })
        }
    }
}

/// Before the stores are opened: gives the reserve back if they might not open without it.
pub(crate) fn make_room(dir: &Path, reserve_bytes: u64) -> io::Result<()> {
    let disk = look(dir)?;
    let lines = Lines::of(disk.capacity_bytes, reserve_bytes);
    settle(dir, lines.reserve(&disk_at_start(disk)))
}

/// Opening replays logs into files of their own: what is low while running is too little to start with.
fn disk_at_start(disk: Disk) -> Disk {
    Disk {
        available_bytes: disk.available_bytes / 4,
        ..disk
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_takes_space_and_gives_it_back() {
        let dir = tempfile::tempdir().unwrap();
        const BYTES: u64 = 8 << 20;
        assert_eq!(look(dir.path()).unwrap().reserved_bytes, 0);
        settle(dir.path(), Reserve::Make(BYTES)).unwrap();
        let with = look(dir.path()).unwrap();
        assert_eq!(with.reserved_bytes, BYTES);
        let file = fs::metadata(reserve_path(dir.path())).unwrap();
        use std::os::unix::fs::MetadataExt;
        assert!(file.blocks() * 512 >= BYTES, "it holds nothing");
        settle(dir.path(), Reserve::GiveBack).unwrap();
        assert_eq!(look(dir.path()).unwrap().reserved_bytes, 0);
    }
}
