//! After a power cut, what was acknowledged is there and what was erased is gone.
//!
//! An ext4 file system in a file is shut down in the midst of writing, without flushing its journal, and mounted
//! again: whatever was not synced is lost, as with a power cut. Needs root; skipped elsewhere, saying so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use eggs_block_store::Disk;
use eggs_proto::{BlockFacts, BlockId};

use crate::common::{self, Aligned, DIRECT, NOW, content, may_erase, may_write, volume};

const CUTS: u64 = 4;
const WRITERS: u64 = 4;
const BLOCKS_BEFORE_CUT: u64 = 60;

/// What has been acknowledged.
#[derive(Default)]
struct Acknowledged {
    written: BTreeMap<BlockId, BlockFacts>,
    erased: BTreeSet<BlockId>,
}

/// Writes blocks, and erases every third, until the power is gone.
fn write_until_the_cut(
    disk: &Disk,
    next: &AtomicU64,
    known: &Mutex<Acknowledged>,
    off: &AtomicBool,
) {
    while !off.load(Ordering::SeqCst) {
        let number = next.fetch_add(1, Ordering::SeqCst);
        let block = BlockId(number << 8);
        // Small ones through the page cache, large ones past it.
        let bytes = Aligned::copy(&content(1 + number as usize % 8, number as u8));
        let order = may_write(disk, block, &bytes);
        if disk.write(&order, &bytes, NOW).is_err() {
            return;
        }
        known.lock().unwrap().written.insert(block, order.facts);
        if number.is_multiple_of(3) {
            known.lock().unwrap().written.remove(&block); // may be gone from here on
            if disk.erase(&may_erase(disk, &order), NOW).is_err() {
                return;
            }
            known.lock().unwrap().erased.insert(block);
        }
    }
}

fn check(disk: &Disk, known: &Acknowledged) {
    for (block, facts) in &known.written {
        let found = disk
            .check(*block)
            .unwrap_or_else(|error| panic!("block {block} was lost: {error}"));
        assert_eq!((found.size, found.checksum), (facts.size, facts.checksum));
    }
    for (block, _) in disk.list(None, 4096).unwrap().blocks {
        assert!(!known.erased.contains(&block), "block {block} came back");
        disk.check(block)
            .unwrap_or_else(|error| panic!("block {block} is not whole: {error}"));
    }
    for block in &known.erased {
        let bytes = content(1, 0);
        let replayed = disk.write(&may_write(disk, *block, &bytes), &bytes, NOW);
        assert_eq!(
            common::refusal(replayed),
            eggs_proto::block::BlockRefusal::WasErased
        );
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_erased_comes_back() {
    let home = tempfile::tempdir().unwrap();
    let Some(volume) = volume(home.path()) else {
        return;
    };
    let place = volume.path().join("disk");
    let (next, known) = (AtomicU64::new(1), Mutex::new(Acknowledged::default()));
    for cut in 1..=CUTS {
        let disk = Disk::open_or_create(&place, &DIRECT).unwrap();
        check(&disk, &known.lock().unwrap());
        let off = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| write_until_the_cut(&disk, &next, &known, &off));
            }
            while next.load(Ordering::SeqCst) < cut * BLOCKS_BEFORE_CUT {
                std::thread::yield_now();
            }
            volume.cut_power().unwrap();
            off.store(true, Ordering::SeqCst);
        });
        drop(disk);
        assert!(
            volume.unmount() && volume.mount(),
            "the file system cannot be mounted again"
        );
    }
    let disk = Disk::open(&place, &DIRECT).unwrap();
    let known = known.lock().unwrap();
    assert!(known.written.len() > 40 && known.erased.len() > 10);
    check(&disk, &known);
}
