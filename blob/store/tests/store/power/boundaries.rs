//! One thing after the other, and a cut before each of the changes that they consist of.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

use eggs_block_store::{Disk, DiskOptions};
use eggs_forgetful::{Fate, Power, Survival, Tree};
use eggs_proto::block::BlockRefusal;
use eggs_proto::{BlockId, FailureDomainId};

use super::{Acknowledged, with_power, without_a_cut};
use crate::common::{Aligned, DIRECT, NOW, content, files_below, may_erase, may_write, refusal};

/// Under which the disk is opened in the second half: its label is written anew.
const MOVED: DiskOptions = DiskOptions {
    domain: FailureDomainId(77),
    ..DIRECT
};

/// What is done to one block.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// It has so many pages as its number: from five on they go past the page cache.
    Write(u64),
    Erase(u64),
    /// Bytes of its file change by themselves.
    Rot(u64),
    /// It was erased, and somebody comes late.
    WriteErased(u64),
}

/// Every way through writing and erasing.
const STEPS: [Step; 15] = {
    use Step::{Erase, Rot, Write, WriteErased};
    [
        Write(1),
        Write(6),
        Write(1), // proved again
        Erase(1),
        WriteErased(1),
        Write(3),
        Rot(3),
        Write(3), // in the place of what is damaged
        Erase(4), // never written
        WriteErased(4),
        Erase(6),
        Erase(6), // once more
        Write(8),
        Rot(8),
        Erase(8),
    ]
};
/// After so many the disk has moved.
const MOVED_AFTER: usize = 8;

fn block(number: u64) -> BlockId {
    BlockId(number << 8)
}

fn pages(number: u64) -> Aligned {
    Aligned::copy(&content(number as usize, number as u8))
}

/// Turns bits of the only file of that name.
fn rot(disk: &Disk, number: u64) -> std::io::Result<()> {
    let name = block(number).to_string();
    let files = files_below(&disk.path().join("blocks"));
    let file = files.iter().find(|file| file.ends_with(&name)).unwrap();
    let file = OpenOptions::new().write(true).open(file)?;
    file.write_all_at(&[!number as u8; 600], 100)?;
    file.sync_all()
}

/// Ends with the power: then it may have been done or not.
fn take(step: Step, disk: &Disk, known: &mut Acknowledged) -> Option<()> {
    match step {
        Step::Write(number) => {
            let bytes = pages(number);
            let order = may_write(disk, block(number), &bytes);
            disk.write(&order, &bytes, NOW).ok()?;
            known.written.insert(order.facts.block, order.facts);
            known.rotten.remove(&order.facts.block);
        }
        Step::WriteErased(number) => {
            let bytes = pages(number);
            let late = disk.write(&may_write(disk, block(number), &bytes), &bytes, NOW);
            assert_eq!(refusal(late), BlockRefusal::WasErased);
        }
        Step::Erase(number) => {
            known.written.remove(&block(number));
            let order = may_write(disk, block(number), &pages(number));
            disk.erase(&may_erase(disk, &order), NOW).ok()?;
            known.erased.insert(block(number));
        }
        Step::Rot(number) => {
            known.written.remove(&block(number));
            known.rotten.insert(block(number));
            rot(disk, number).ok()?;
        }
    }
    Some(())
}

/// How far somebody came, and what was promised.
#[derive(Default)]
struct Progress {
    known: Acknowledged,
    done: usize,
}

impl Progress {
    fn options(&self) -> &'static DiskOptions {
        if self.done < MOVED_AFTER {
            &DIRECT
        } else {
            &MOVED
        }
    }

    /// Goes on until all is done, or the power is gone.
    fn go_on(&mut self, path: &Path) -> Option<()> {
        while self.done < STEPS.len() {
            let options = self.options();
            let disk = Disk::open(path, options).ok()?;
            while self.done < STEPS.len() && std::ptr::eq(options, self.options()) {
                take(STEPS[self.done], &disk, &mut self.known)?;
                self.done += 1;
            }
        }
        Some(())
    }

    /// What the disk has to have after a cut.
    fn check(&self, path: &Path) {
        let disk = Disk::open(path, self.options()).unwrap();
        self.known.check(&disk);
        assert!(files_below(&path.join("tmp")).is_empty());
    }
}

/// Opens the disk with power for no change, then for one, and so on, until it is open.
fn open_between_cuts(mut tree: Tree, progress: &Progress, seed: u64) -> Tree {
    for changes in 0.. {
        let open = |path: &Path| Disk::open(path, progress.options()).is_ok();
        let (left, opened) = with_power(tree, Power::for_changes(changes), open).unwrap();
        tree = left.survivor(&mut Fate::new(Survival::Some, seed ^ changes << 32));
        if opened {
            break;
        }
    }
    tree
}

/// How it ends before a change.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The process dies, its machine goes on: nothing is lost before the next cut.
    Process,
    Power(Survival),
    /// The power goes once more whenever the disk is opened.
    PowerAgain,
}

/// Everything, with an end before one of its changes. Says whether all was done before.
fn end_once(made: &Tree, changes: u64, end: End) -> bool {
    let mut progress = Progress::default();
    let power = Power::for_changes(changes);
    let ended = with_power(made.clone(), power, |path| progress.go_on(path));
    let (mut tree, done) = ended.unwrap();
    match end {
        End::Process => {}
        End::Power(survival) => tree = tree.survivor(&mut Fate::new(survival, changes)),
        End::PowerAgain => {
            tree = tree.survivor(&mut Fate::new(Survival::Some, !changes));
            tree = open_between_cuts(tree, &progress, changes);
        }
    }
    // Whoever was interrupted tries again, and the rest is done after a restart like any other.
    let again = |path: &Path| {
        progress.check(path);
        progress.go_on(path).unwrap();
    };
    let (tree, ()) = without_a_cut(tree, again).unwrap();
    without_a_cut(tree, |path| progress.check(path)).unwrap();
    done.is_some()
}

#[test]
fn nothing_acknowledged_is_lost_wherever_the_power_goes() {
    let make = |path: &Path| drop(Disk::create(path, &DIRECT).unwrap());
    let Some((made, ())) = without_a_cut(Tree::default(), make) else {
        return;
    };
    let mut changes = 0;
    let all = [
        End::Process,
        End::Power(Survival::Nothing),
        End::Power(Survival::Some),
        End::PowerAgain,
    ];
    while !all.map(|end| end_once(&made, changes, end))[0] {
        changes += 1;
    }
    println!("{changes} boundaries");
    assert!(changes > 60, "{changes}");
}
