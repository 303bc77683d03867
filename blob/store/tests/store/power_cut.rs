//! After a power cut, what was acknowledged is there and what was erased is gone.
//!
//! An ext4 file system in a file is shut down in the midst of writing, without flushing its journal, and mounted
//! again: whatever was not synced is lost, as with a power cut. Needs root; skipped elsewhere, saying so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use eggs_block_store::Disk;
use eggs_proto::{BlockFacts, BlockId};

use crate::common::{self, Aligned, DIRECT, NOW, content, may_erase, may_write};

const CUTS: u64 = 4;
const WRITERS: u64 = 4;
const BLOCKS_BEFORE_CUT: u64 = 60;

struct Volume {
    _home: tempfile::TempDir,
    image: PathBuf,
    mounted: PathBuf,
}

fn run(program: &str, args: &[&dyn AsRef<std::ffi::OsStr>]) -> bool {
    let output = Command::new(program)
        .args(args.iter().map(|arg| arg.as_ref()))
        .output();
    output.is_ok_and(|out| out.status.success())
}

impl Volume {
    /// `None` where we may not mount.
    fn new() -> Option<Self> {
        let home = tempfile::tempdir().unwrap();
        let volume = Self {
            image: home.path().join("image"),
            mounted: home.path().join("mounted"),
            _home: home,
        };
        std::fs::create_dir(&volume.mounted).unwrap();
        File::create(&volume.image)
            .unwrap()
            .set_len(64 << 20)
            .unwrap();
        let made = run("mkfs.ext4", &[&"-q", &"-F", &volume.image]);
        (made && volume.mount()).then_some(volume)
    }

    fn mount(&self) -> bool {
        run("mount", &[&"-o", &"loop", &self.image, &self.mounted])
    }

    fn unmount(&self) -> bool {
        run("umount", &[&self.mounted])
    }

    fn disk(&self) -> PathBuf {
        self.mounted.join("disk")
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        self.unmount();
    }
}

/// Shuts a file system down at once: nothing that is not on its device gets there any more.
#[allow(unsafe_code)]
fn cut_power(mounted: &Path) -> std::io::Result<()> {
    use rustix::ioctl::{Setter, ioctl, opcode};
    const SHUTDOWN: rustix::ioctl::Opcode = opcode::read::<u32>(b'X', 125);
    const WITHOUT_FLUSHING_THE_LOG: u32 = 2;
    let root = File::open(mounted)?;
    // SAFETY: FS_IOC_SHUTDOWN reads one u32 from its argument, whatever its direction bits say.
    unsafe {
        ioctl(
            &root,
            Setter::<SHUTDOWN, u32>::new(WITHOUT_FLUSHING_THE_LOG),
        )?
    };
    Ok(())
}

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
    let Some(volume) = Volume::new() else {
        eprintln!("skipped: loop mounts need root and mkfs.ext4");
        return;
    };
    let (next, known) = (AtomicU64::new(1), Mutex::new(Acknowledged::default()));
    for cut in 1..=CUTS {
        let disk = Disk::open_or_create(&volume.disk(), &DIRECT).unwrap();
        check(&disk, &known.lock().unwrap());
        let off = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| write_until_the_cut(&disk, &next, &known, &off));
            }
            while next.load(Ordering::SeqCst) < cut * BLOCKS_BEFORE_CUT {
                std::thread::yield_now();
            }
            cut_power(&volume.mounted).unwrap();
            off.store(true, Ordering::SeqCst);
        });
        drop(disk);
        assert!(
            volume.unmount() && volume.mount(),
            "the file system cannot be mounted again"
        );
    }
    let disk = Disk::open(&volume.disk(), &DIRECT).unwrap();
    let known = known.lock().unwrap();
    assert!(known.written.len() > 40 && known.erased.len() > 10);
    check(&disk, &known);
}
