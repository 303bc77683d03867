//! On a real file system: ext4 in a file is shut down in the midst of writing, without flushing its journal, and mounted
//! again: whatever was not synced is lost. Needs root; skipped elsewhere, saying so.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use eggs_block_store::Disk;

use super::{Acknowledged, write_until_the_cut};
use crate::common::{DIRECT, volume};

const CUTS: u64 = 4;
const WRITERS: u64 = 4;
const BLOCKS_BEFORE_CUT: u64 = 60;

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
        known.lock().unwrap().check(&disk);
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
    known.check(&disk);
}
