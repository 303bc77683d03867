//! After a power cut, what was acknowledged is there and what was erased is gone.

mod boundaries;
mod new_disk;
mod on_ext4;
mod writers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use eggs_block_store::Disk;
use eggs_forgetful::{Fate, Mounted, Power, Survival, Tree};
use eggs_proto::block::BlockRefusal;
use eggs_proto::{BlockFacts, BlockId};

use crate::common::{Aligned, NOW, content, may_erase, may_write, refusal};

/// What has been acknowledged.
#[derive(Default)]
struct Acknowledged {
    written: BTreeMap<BlockId, BlockFacts>,
    erased: BTreeSet<BlockId>,
    /// Damaged by the test, and not yet written again.
    rotten: BTreeSet<BlockId>,
}

impl Acknowledged {
    fn check(&self, disk: &Disk) {
        for (block, facts) in &self.written {
            let found = disk
                .check(*block)
                .unwrap_or_else(|error| panic!("block {block} was lost: {error}"));
            assert_eq!((found.size, found.checksum), (facts.size, facts.checksum));
        }
        for (block, _) in disk.list(None, 4096).unwrap().blocks {
            assert!(!self.erased.contains(&block), "block {block} came back");
            let whole = disk.check(block);
            assert!(
                whole.is_ok() || self.rotten.contains(&block),
                "block {block}: {whole:?}"
            );
        }
        for block in &self.erased {
            let bytes = content(1, 0);
            let replayed = disk.write(&may_write(disk, *block, &bytes), &bytes, NOW);
            assert_eq!(refusal(replayed), BlockRefusal::WasErased);
        }
    }
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

/// Somebody works on what is mounted until all is done, or the power is gone. Gives what there was then, synced or not, and what
/// became of the work; `None` where we may not mount.
fn with_power<T>(tree: Tree, power: Power, work: impl FnOnce(&Path) -> T) -> Option<(Tree, T)> {
    let point = tempfile::tempdir().unwrap();
    let machine = Mounted::new(tree, power, point.path()).unwrap()?;
    let done = work(machine.path());
    Some((machine.unmount().unwrap(), done))
}

/// The same without a cut, after which nothing survives that was not synced.
fn without_a_cut<T>(tree: Tree, work: impl FnOnce(&Path) -> T) -> Option<(Tree, T)> {
    let (tree, done) = with_power(tree, Power::endless(), work)?;
    Some((tree.survivor(&mut Fate::new(Survival::Nothing, 0)), done))
}
