//! On a full disk writing is refused, and reading and erasing go on.

use std::path::Path;

use eggs_block_store::{Disk, DiskOptions};
use eggs_proto::BlockId;
use eggs_proto::block::BlockRefusal;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::common::{
    Aligned, DIRECT, NOW, OPTIONS, content, fixture, may_erase, may_write, refusal, write,
};

struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    /// `None` where we may not mount.
    fn new() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        mount(
            "none",
            dir.path(),
            "tmpfs",
            MountFlags::empty(),
            Some(c"size=4m"),
        )
        .ok()?;
        Some(Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        unmount(self.path(), UnmountFlags::DETACH).unwrap();
    }
}

/// Writes blocks until the disk is full; gives the orders of those that fit.
fn fill(disk: &Disk) -> Vec<eggs_block_store::WriteOrder> {
    let bytes = Aligned::copy(&content(16, 0));
    let mut orders = Vec::new();
    for number in 1..1000 {
        let order = may_write(disk, BlockId(number << 8), &bytes);
        match disk.write(&order, &bytes, NOW) {
            Ok(_) => orders.push(order),
            other => {
                assert_eq!(refusal(other), BlockRefusal::NoSpace);
                return orders;
            }
        }
    }
    panic!("never full");
}

fn check_full(disk: &Disk) {
    let orders = fill(disk);
    assert!(orders.len() >= 4, "only {} blocks fit", orders.len());
    assert!(disk.usage().unwrap().available_bytes < 16 * 4096 * 2);
    for order in &orders {
        assert!(disk.check(order.facts.block).is_ok());
    }
    disk.erase(&may_erase(disk, &orders[0]), NOW).unwrap();
    disk.erase(&may_erase(disk, &orders[1]), NOW).unwrap();
    write(disk, BlockId(0xffff00), &content(16, 0));
    let usage = disk.usage().unwrap();
    assert_eq!((usage.io_errors, usage.fenced), (0, false));
}

#[test]
fn a_full_file_system() {
    let Some(tmpfs) = Tmpfs::new() else {
        eprintln!("skipped: mounting a tmpfs needs root");
        return;
    };
    let disk = Disk::create(tmpfs.path(), &OPTIONS).unwrap();
    check_full(&disk);
}

#[test]
fn a_file_system_that_others_filled_to_the_last_byte() {
    let Some(tmpfs) = Tmpfs::new() else {
        eprintln!("skipped: mounting a tmpfs needs root");
        return;
    };
    let disk = Disk::create(tmpfs.path(), &OPTIONS).unwrap();
    let order = write(&disk, BlockId(0x100), &content(4, 0));
    let filled = std::fs::write(tmpfs.path().join("tmp/other"), vec![1; 8 << 20]);
    assert!(filled.is_err(), "the file system must be full");
    let refused = disk.write(
        &may_write(&disk, BlockId(0x200), &content(4, 0)),
        &content(4, 0),
        NOW,
    );
    assert_eq!(refusal(refused), BlockRefusal::NoSpace);
    assert!(disk.check(order.facts.block).is_ok());
    disk.erase(&may_erase(&disk, &order), NOW).unwrap();
    let replayed = disk.write(&order, &content(4, 0), NOW);
    assert_eq!(refusal(replayed), BlockRefusal::WasErased);
}

#[test]
fn a_share_of_a_file_system() {
    let f = fixture();
    let path = f.dir.path().to_owned();
    drop(f.disk);
    let share = DiskOptions {
        capacity_bytes_max: Some(1 << 20),
        reserve_bytes: Some(0),
        ..DIRECT
    };
    let disk = Disk::open(&path, &share).unwrap();
    let usage = disk.usage().unwrap();
    assert_eq!(usage.capacity_bytes, 1 << 20);
    // Other disks of the file system promise their shares of the same free bytes.
    let stat = rustix::fs::statvfs(&path).unwrap();
    let fraction = stat.f_bavail as f64 / stat.f_blocks as f64;
    let share = (f64::from(1 << 20) * fraction) as u64;
    assert!(
        usage.available_bytes.abs_diff(share) < 1 << 17,
        "{usage:?} for a share of {share}"
    );
    check_full(&disk);
}
