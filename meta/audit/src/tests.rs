#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests
//! Each rule with a cluster that breaks it, and with one where a transaction explains it.

use eggs_proto::audit::{
    AuditPage, CdcAuditPage, Claim, Finding, FindingCode as Code, HeldLock, OwnerKey, PresentInode,
    RepairStep, RunningTransaction,
};
use eggs_proto::cdc::EntryName;
use eggs_proto::shard::SnapshotKey;
use eggs_proto::{BlockId, InodeId, InodeKind, Name, ShardId, Time, TransactionId};

use crate::{Join, LOOKS, ShardJoin, Suspects};

const T: TransactionId = TransactionId(7);
const ROOT: InodeId = InodeId::ROOT;

fn dir(shard: u8, n: u64) -> InodeId {
    InodeId::new(InodeKind::Directory, ShardId(shard), n)
}

fn file(shard: u8, n: u64) -> InodeId {
    InodeId::new(InodeKind::File, ShardId(shard), n)
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn named(dir: InodeId, text: &str, inode: InodeId) -> Claim {
    let name = name(text);
    let name = EntryName { dir, name };
    let created = Time(1);
    Claim {
        inode,
        owner: OwnerKey::Current { name, created },
        owned: true,
        collecting: false,
        lock: None,
    }
}

fn snapshot(dir: InodeId, text: &str, inode: InodeId, owned: bool) -> Claim {
    let key = SnapshotKey {
        hash: name(text).hash_in(dir),
        name: name(text),
        created: Time(1),
    };
    Claim {
        inode,
        owner: OwnerKey::Snapshot { dir, key },
        owned,
        collecting: false,
        lock: None,
    }
}

#[derive(Default)]
struct World {
    claims: Vec<Claim>,
    inodes: Vec<PresentInode>,
    locks: Vec<HeldLock>,
    blocks: Vec<(BlockId, InodeId)>,
    cdc: CdcAuditPage,
}

impl World {
    /// Root with a directory on shard 1, which has a file of its own and one of shard 2.
    fn sound() -> Self {
        let d = dir(1, 1);
        let mut world = Self::default();
        world.add_directory(ROOT, ROOT);
        world.claims.push(named(ROOT, "d", d));
        world.add_directory(d, ROOT);
        world.cdc.parents.push((d, ROOT));
        world.claims.push(named(d, "f", file(1, 1)));
        world.add_file(file(1, 1), 1);
        world.claims.push(named(d, "g", file(2, 1)));
        world.add_file(file(2, 1), 0);
        world
    }

    fn add_directory(&mut self, inode: InodeId, parent: InodeId) {
        let barred = None;
        self.inodes.push(PresentInode::Directory {
            inode,
            parent,
            barred,
        });
    }

    fn add_file(&mut self, inode: InodeId, owners: u32) {
        self.inodes.push(PresentInode::Linked { inode, owners });
    }

    fn forget(&mut self, text: &str) {
        self.claims
            .retain(|claim| *claim.owner.name() != name(text));
    }

    fn findings(&self) -> Vec<Finding> {
        let mut join = Join::default();
        let mut findings = Vec::new();
        for shard in 0..4 {
            let mut of_shard = ShardJoin::default();
            let here = |inode: InodeId| inode.shard() == ShardId(shard);
            let inode = |present: &&PresentInode| match present {
                PresentInode::Linked { inode, .. }
                | PresentInode::Directory { inode, .. }
                | PresentInode::Removed { inode } => here(*inode),
            };
            of_shard.add(AuditPage {
                claims: self
                    .claims
                    .iter()
                    .filter(|c| here(c.owner.dir()))
                    .cloned()
                    .collect(),
                inodes: self.inodes.iter().filter(inode).copied().collect(),
                locks: self
                    .locks
                    .iter()
                    .filter(|l| here(l.name.dir))
                    .cloned()
                    .collect(),
                blocks: self.blocks.iter().filter(|b| here(b.1)).copied().collect(),
                ..AuditPage::default()
            });
            let (found, left) = of_shard.finish(ShardId(shard));
            findings.extend(found);
            join.add_shard(left);
        }
        join.add_cdc(self.cdc.clone());
        findings.extend(join.finish());
        findings
    }

    fn codes(&self) -> Vec<Code> {
        self.findings().iter().map(|finding| finding.code).collect()
    }
}

#[test]
fn nothing_is_wrong_with_a_sound_cluster() {
    assert_eq!(World::sound().findings(), []);
}

#[test]
fn files_have_exactly_one_owner() {
    let mut world = World::sound();
    world.forget("f");
    assert_eq!(world.codes(), [Code::FileOwners, Code::FileWithoutName]);
    let finding = world.findings().remove(1);
    assert_eq!(finding.repair.len(), 2, "counted first, then adopted");

    let mut world = World::sound();
    world.forget("g");
    assert_eq!(world.codes(), [Code::FileWithoutName]);
    world
        .claims
        .push(snapshot(dir(1, 1), "g", file(2, 1), false));
    assert_eq!(
        world.codes(),
        [Code::FileWithoutName],
        "a trace owns nothing"
    );
    world
        .claims
        .push(snapshot(dir(1, 1), "h", file(2, 1), true));
    assert_eq!(world.codes(), []);

    let mut world = World::sound();
    world.claims.push(named(ROOT, "again", file(2, 1)));
    assert_eq!(world.codes(), [Code::FileWithSeveralNames]);
    let mut world = World::sound();
    world.claims.push(named(ROOT, "again", file(1, 1)));
    assert_eq!(world.codes(), [Code::FileWithSeveralNames]);
}

#[test]
fn names_stand_for_what_exists() {
    let mut world = World::sound();
    world.claims.push(named(ROOT, "lost", file(3, 9)));
    world.claims.push(named(ROOT, "gone", dir(3, 9)));
    world
        .claims
        .push(snapshot(ROOT, "collected", dir(3, 8), true));
    assert_eq!(
        world.codes(),
        [Code::NameWithoutInode, Code::NameWithoutFile]
    );
    assert!(world.findings().iter().all(|found| found.repair.is_empty()));
    // Between marking a snapshot and collecting it, its file may still be there or not.
    let mut going = snapshot(ROOT, "going", file(3, 5), true);
    going.collecting = true;
    world.claims.push(going);
    assert_eq!(world.codes().len(), 2);
    world.add_file(file(3, 5), 0);
    assert_eq!(world.codes().len(), 2);
    let inode = dir(3, 9);
    world.inodes.push(PresentInode::Removed { inode });
    let codes = [
        Code::NameWithoutInode,
        Code::DirectoryWithoutName,
        Code::NameWithoutFile,
    ];
    assert_eq!(world.codes(), codes);
}

#[test]
fn directories_and_the_coordinator_agree_with_the_name() {
    let mut world = World::sound();
    world.add_directory(dir(2, 5), ROOT);
    assert_eq!(world.codes(), [Code::DirectoryWithoutName]);
    world.claims.push(named(dir(1, 1), "sub", dir(2, 5)));
    let both = [Code::DirectoryParent, Code::CoordinatorParent];
    assert_eq!(world.codes(), both);
    world.cdc.parents.push((dir(2, 5), dir(1, 1)));
    assert_eq!(world.codes(), [Code::DirectoryParent]);
    world.claims.push(named(ROOT, "sub", dir(2, 5)));
    assert_eq!(world.codes(), [Code::DirectoryWithSeveralNames]);
    world.cdc.parents.push((dir(2, 6), ROOT));
    let codes = [
        Code::DirectoryWithSeveralNames,
        Code::CoordinatorParentOfNothing,
    ];
    assert_eq!(world.codes(), codes);
}

#[test]
fn locks_and_bars_end_with_their_transaction() {
    let mut world = World::sound();
    let entry = EntryName {
        dir: ROOT,
        name: name("d"),
    };
    world.locks.push(HeldLock {
        name: entry.clone(),
        transaction: T,
    });
    world.claims[0].lock = Some(T);
    let PresentInode::Directory { barred, .. } = &mut world.inodes[1] else {
        panic!("a directory")
    };
    *barred = Some(T);
    assert_eq!(world.codes(), [Code::LockLeaked, Code::BarLeaked]);
    let name = entry;
    let unlock = RepairStep::Unlock {
        name,
        transaction: T,
    };
    assert_eq!(world.findings()[0].repair, [unlock]);
    world.cdc.running.push(RunningTransaction {
        transaction: T,
        inodes: Vec::new(),
    });
    assert_eq!(world.codes(), []);
}

#[test]
fn what_a_transaction_moves_is_left_out() {
    let mut world = World::sound();
    world.add_directory(dir(2, 5), ROOT);
    world.add_file(file(2, 6), 0);
    world.cdc.parents.push((dir(3, 7), ROOT));
    world.claims.push(named(ROOT, "x", dir(3, 8)));
    assert_eq!(world.codes().len(), 4);
    world.cdc.running.push(RunningTransaction {
        transaction: T,
        inodes: vec![dir(2, 5), file(2, 6), dir(3, 7), dir(3, 8)],
    });
    assert_eq!(world.codes(), []);
}

#[test]
fn a_block_is_in_one_file() {
    let mut world = World::sound();
    let block = BlockId::new(ShardId(1), 5);
    world.blocks = vec![
        (block, file(1, 1)),
        (BlockId::new(ShardId(1), 6), file(1, 1)),
    ];
    assert_eq!(world.codes(), []);
    world.blocks.push((block, file(1, 2)));
    assert_eq!(world.codes(), [Code::BlockTwice]);
}

#[test]
fn only_what_every_look_finds_in_the_same_way_is_believed() {
    let always = || Finding::new(Code::FileWithoutName, "no name").of_inode(file(1, 1));
    let moving = |n| Finding::new(Code::FileWithoutName, format!("trace {n}"));
    let mut suspects = Suspects::default();
    for n in 0..LOOKS {
        assert!(suspects.are_open());
        suspects.look(vec![moving(n), always()]);
    }
    assert!(!suspects.are_open());
    assert_eq!(suspects.confirmed(), [always()]);
    let mut suspects = Suspects::default();
    suspects.look(vec![moving(1)]);
    assert!(suspects.are_open());
    suspects.look(vec![moving(2)]);
    assert!(!suspects.are_open());
    assert_eq!(suspects.confirmed(), []);
}

#[test]
fn every_code_has_words_of_its_own() {
    let mut names: Vec<&str> = Code::ALL.iter().map(|code| code.words().0).collect();
    assert!(Code::ALL.is_sorted());
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Code::ALL.len());
}
