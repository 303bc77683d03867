//! What a disk cannot read is told from what is damaged and from what is not there; one that cannot be changed says so once and
//! for all. The errors are the kernel's. Needs root; skipped elsewhere, saying so.

use std::path::Path;

use eggs_block_store::{Disk, Pipes, StoreError};
use eggs_proto::block::BlockRefusal;
use eggs_proto::{BlockId, PAGE_BYTES};
use eggs_volume::forget;

use crate::common::{Aligned, DIRECT, NOW, content, files_below, may_erase, may_write, refusal};
use crate::common::{volume, write};

const PAGES: usize = 16;
/// Pages of the bad block in front of the place from which nothing can be read. The kernel may give up those, too: it reads several at once.
const GOOD_PAGES: u32 = 4;

fn is_io_error<T: std::fmt::Debug>(result: Result<T, StoreError>) -> bool {
    let code = match result.unwrap_err() {
        StoreError::Io { source, .. } => source.raw_os_error(),
        StoreError::Refused(_) | StoreError::Fenced => None,
    };
    code == Some(rustix::io::Errno::IO.raw_os_error())
}

fn forget_all(disk: &Path) {
    for file in files_below(&disk.join("blocks")) {
        forget(&file).unwrap();
    }
}

#[test]
fn what_a_disk_cannot_read_is_unreadable_and_the_rest_is_served() {
    let home = tempfile::tempdir().unwrap();
    let Some(volume) = volume(home.path()) else {
        return;
    };
    let place = volume.path().join("disk");
    let disk = Disk::create(&place, &DIRECT).unwrap();
    let bytes = [1, 2].map(|seed| Aligned::copy(&content(PAGES, seed)));
    let blocks = [BlockId(0x1103), BlockId(0x2203)];
    for (block, bytes) in blocks.iter().zip(&bytes) {
        write(&disk, *block, bytes);
    }
    forget_all(&place);
    let on_device = bytes
        .each_ref()
        .map(|bytes| volume.find(bytes).unwrap().unwrap());
    let (good, bad) = if on_device[0] < on_device[1] {
        (0, 1)
    } else {
        (1, 0)
    };
    volume
        .fail_from(on_device[bad] + u64::from(GOOD_PAGES) * PAGE_BYTES as u64)
        .unwrap();

    let block = blocks[bad];
    assert!(is_io_error(disk.read(block, 0, PAGES as u32)));
    assert!(is_io_error(disk.pin(
        block,
        0,
        PAGES as u32,
        &Pipes::default()
    )));
    assert!(disk.read_at_once(block, GOOD_PAGES, 1).unwrap().is_none());
    assert_eq!(refusal(disk.check(block)), BlockRefusal::Unreadable);
    let read = disk.read(blocks[good], 0, PAGES as u32).unwrap();
    assert_eq!(read.bytes, bytes[good][..]);
    assert!(disk.check(blocks[good]).is_ok());
    let usage = disk.usage().unwrap();
    assert!(usage.io_errors >= 3, "{}", usage.io_errors);
    assert!(!usage.fenced, "whoever cannot read can write");
}

#[test]
fn a_disk_that_cannot_be_changed_any_more_is_fenced() {
    let home = tempfile::tempdir().unwrap();
    let Some(volume) = volume(home.path()) else {
        return;
    };
    let place = volume.path().join("disk");
    let bytes = Aligned::copy(&content(2, 1));
    let other = BlockId(0x2203);
    for change in [Change::Write, Change::Erase] {
        let disk = Disk::open_or_create(&place, &DIRECT).unwrap();
        let order = write(&disk, BlockId(0x1103), &bytes);
        volume.cut_power().unwrap();
        let first = match change {
            Change::Write => disk.write(&may_write(&disk, other, &bytes), &bytes, NOW),
            Change::Erase => disk.erase(&may_erase(&disk, &order), NOW),
        };
        assert!(is_io_error(first));
        assert!(disk.is_fenced() && disk.usage().unwrap().fenced);
        let second = disk.write(&may_write(&disk, other, &bytes), &bytes, NOW);
        assert!(matches!(second, Err(StoreError::Fenced)), "{second:?}");
        drop(disk);
        assert!(volume.unmount() && volume.mount());
    }
    // What was acknowledged is there once the disk is well again.
    let disk = Disk::open(&place, &DIRECT).unwrap();
    assert!(disk.check(BlockId(0x1103)).is_ok() && !disk.is_fenced());
}

#[derive(Clone, Copy)]
enum Change {
    Write,
    Erase,
}
