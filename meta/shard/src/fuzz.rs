//! Nonsense: whatever is asked, in whatever order, nothing panics and every invariant holds.

use std::collections::BTreeMap;

use eggs_machine::{ApplyContext, Fault, MemoryStore, StateMachine};
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::{
    DirectoryCursor, DirectoryOutcome, ErasedBlock, LockPurpose, ReleaseAction, Replace,
    ShardChange as C, ShardQuery as Q, ShardReply, SnapshotKey,
};
use eggs_proto::{
    AttributeChange, BlockFacts, BlockId, BlockServiceId, Checksum, Cookie, FileTime, InodeId,
    InodeKind, MacTag, Name, NameHash, NewAttributes, NewTime, Policy, PolicyKind, ShardId,
    StorageClass, StripePolicy, Time, TransactionId, decode, encode,
};
use proptest::prelude::{ProptestConfig, any, prop, proptest};

use crate::random::Random;
use crate::testing::{Bench, NEW, extent_request, key_of, name};
use crate::{CheckedProof, Prepared, ShardCommand, ShardMachine, Verdict};

/// Draws changes from a small world, so that they often meet.
struct Dice {
    random: Random,
    /// Transient files seen, and guesses.
    files: Vec<(InodeId, Cookie)>,
    snapshots: Vec<(InodeId, SnapshotKey, InodeId)>,
    garbage: Vec<BlockFacts>,
}

impl Dice {
    fn new(seed: u64, bench: &Bench, files: &[(InodeId, Cookie)]) -> Self {
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&seed.to_le_bytes());
        let mut snapshots = Vec::new();
        for dir in [InodeId::ROOT, dir_of(1)] {
            if bench.stat(dir).is_ok() {
                let found = bench.snapshots(dir).into_iter();
                snapshots.extend(found.map(|snapshot| (dir, snapshot.key, snapshot.inode)));
            }
        }
        let garbage = bench.garbage().iter().map(|block| block.facts).collect();
        Self {
            random: Random::new(&entropy),
            files: files.to_vec(),
            snapshots,
            garbage,
        }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.random.below(u128::from(end)) as u64
    }

    fn of<T: Clone>(&mut self, list: &[T]) -> Option<T> {
        let end = list.len().max(1) as u64;
        list.get(self.below(end) as usize).cloned()
    }

    fn number(&mut self) -> u64 {
        let numbers = [0, 1, 4096, 100_000, 1 << 60, u64::MAX];
        let any = self.below(200_000);
        self.of(&numbers)
            .filter(|_| any.is_multiple_of(2))
            .unwrap_or(any)
    }

    fn name(&mut self) -> Name {
        let text = ["a", "b", "c"][self.below(3) as usize];
        name(text)
    }

    fn dir(&mut self) -> InodeId {
        match self.below(8) {
            0..=3 => InodeId::ROOT,
            4..=6 => dir_of(self.below(3)),
            _ => self.inode(),
        }
    }

    fn inode(&mut self) -> InodeId {
        let kinds = [InodeKind::Directory, InodeKind::File, InodeKind::Symlink];
        let kind = kinds[self.below(3) as usize];
        let shard = ShardId(u8::from(self.below(5) == 0));
        InodeId::new(kind, shard, self.below(8))
    }

    fn file(&mut self) -> (InodeId, Cookie) {
        let guess = (self.inode(), Cookie(self.below(3)));
        let known = self.files.clone();
        let recent = known[known.len().saturating_sub(2)..].to_vec();
        if self.below(10) == 0 {
            guess
        } else {
            self.of(&recent).unwrap_or(guess)
        }
    }

    fn transaction(&mut self) -> TransactionId {
        TransactionId(self.below(2))
    }

    fn replace(&mut self) -> Replace {
        [Replace::Never, Replace::Files, Replace::Exchange][self.below(3) as usize]
    }

    fn attributes(&mut self) -> NewAttributes {
        NewAttributes {
            mode: self.below(0o20000) as u32,
            mtime: Some(FileTime(-1)).filter(|_| self.below(2) == 0),
            ..NEW
        }
    }

    fn attribute_change(&mut self) -> AttributeChange {
        AttributeChange {
            mode: Some(0o600).filter(|_| self.below(2) == 0),
            mtime: Some(NewTime::At(FileTime(i64::MIN))).filter(|_| self.below(2) == 0),
            atime: Some(NewTime::Now).filter(|_| self.below(2) == 0),
            ..AttributeChange::default()
        }
    }

    fn content(&mut self) -> Vec<u8> {
        vec![1; [0, 1, 100, 16 << 10, (16 << 10) + 1][self.below(5) as usize]]
    }

    fn snapshot(&mut self) -> (InodeId, SnapshotKey, InodeId) {
        let known = self.snapshots.clone();
        let guess = SnapshotKey {
            hash: NameHash(self.number()),
            name: self.name(),
            created: Time(self.number()),
        };
        let guess = (self.dir(), guess, self.inode());
        self.of(&known).unwrap_or(guess)
    }

    /// Proofs of the blocks of an extent, mostly genuine.
    fn proofs(&mut self, bench: &Bench, file: InodeId, offset: u64) -> Vec<Option<MacTag>> {
        let none = vec![None; self.below(8) as usize];
        let Ok(stat) = bench.stat(file) else {
            return none;
        };
        if stat.inode.kind() != InodeKind::File {
            return none;
        }
        let extents = bench.extents(file);
        let Some(extent) = extents.iter().find(|extent| extent.offset == offset) else {
            return none;
        };
        let eggs_proto::ExtentBody::Blocks { layout, blocks, .. } = &extent.body else {
            return none;
        };
        let mut proofs = Vec::new();
        for block in blocks {
            let facts = crate::state::block_facts(layout, block);
            let tag =
                key_of(block.service).map(|key| key.sign(eggs_proto::Statement::Written, &facts));
            proofs.push(tag.filter(|_| self.below(20) > 0));
        }
        proofs
    }

    fn offset(&mut self, bench: &Bench, file: InodeId) -> u64 {
        let end = bench.stat(file).map_or(0, |stat| stat.size);
        let begin = 100_000 * self.below(3);
        match self.below(12) {
            0 => self.number(),
            1..=5 => begin,
            _ => end,
        }
    }

    fn change(&mut self, bench: &Bench) -> C {
        match self.below(6) {
            0..=1 => self.content_change(bench),
            2..=3 => self.name_change(),
            4 => self.step(),
            _ => self.collection(),
        }
    }

    fn content_change(&mut self, bench: &Bench) -> C {
        let (file, cookie) = self.file();
        let offset = self.offset(bench, file);
        match self.below(10) {
            0 => C::CreateTransient {
                dir: InodeId::ROOT,
                attributes: NEW,
                note: "é".repeat(self.below(300) as usize),
            },
            1 => C::AddInline {
                file,
                cookie,
                offset,
                content: self.content(),
            },
            2 => C::AddHole {
                file,
                cookie,
                offset,
                size: self.number(),
            },
            3..=4 => {
                let mut request = extent_request((file, cookie), offset);
                if self.below(5) == 0 {
                    request.size = self.number();
                }
                if self.below(3) == 0 {
                    let at = offset.saturating_sub(100_000);
                    request.certify = Some((at, self.proofs(bench, file, at)));
                }
                C::AddExtent(request)
            }
            5 => C::ReplaceBlocks {
                file,
                cookie,
                offset,
                indexes: (0..self.below(4)).map(|n| (n * 2) as u8).collect(),
                exclude: vec![BlockServiceId(self.below(17))],
            },
            6..=8 => C::CertifyExtent {
                file,
                cookie,
                offset,
                proofs: self.proofs(bench, file, offset),
            },
            _ => C::KeepAlive { file, cookie },
        }
    }

    fn name_change(&mut self) -> C {
        let (file, cookie) = self.file();
        let (dir, name) = (self.dir(), self.name());
        match self.below(9) {
            0..=1 => C::Link {
                file,
                cookie,
                dir,
                name,
                replace: self.replace(),
                attributes: self.attribute_change(),
            },
            2 => C::CreateFile {
                dir,
                name,
                replace: self.replace(),
                attributes: self.attributes(),
                content: self.content(),
            },
            3 => C::Symlink {
                dir,
                name,
                target: self.content(),
                attributes: self.attributes(),
            },
            4 => C::Unlink {
                dir,
                name,
                expected: None,
            },
            5 => C::Rename {
                dir,
                source: name,
                target: self.name(),
                replace: self.replace(),
            },
            6 => C::SetAttributes {
                inode: self.inode(),
                change: self.attribute_change(),
            },
            7 => C::SetPolicy {
                dir,
                policy: Policy::Stripe(StripePolicy {
                    stripe_bytes: self.number() as u32,
                }),
            },
            _ => C::ClearPolicy {
                dir,
                kind: PolicyKind::Stripe,
            },
        }
    }

    fn step(&mut self) -> C {
        let (dir, name, transaction) = (self.dir(), self.name(), self.transaction());
        match self.below(8) {
            0 => C::CreateDirectory {
                dir,
                parent: self.dir(),
                attributes: self.attributes(),
                transaction,
            },
            1 => C::AbandonDirectory { dir, transaction },
            2 => C::LinkDirectory {
                parent: dir,
                name,
                dir: self.dir(),
                transaction,
            },
            3..=4 => C::LockDentry {
                dir,
                name,
                purpose: self.purpose(),
                transaction,
            },
            5 => C::ReleaseDentry {
                dir,
                name,
                action: self.action(),
                transaction,
            },
            6 => C::DetachDirectory { dir, transaction },
            _ => C::SettleDirectory {
                dir,
                outcome: match self.below(3) {
                    0 => DirectoryOutcome::Attached,
                    1 => DirectoryOutcome::Removed,
                    _ => DirectoryOutcome::Moved { parent: self.dir() },
                },
                transaction,
            },
        }
    }

    fn purpose(&mut self) -> LockPurpose {
        match self.below(2) {
            0 => LockPurpose::Source { expected: None },
            _ => LockPurpose::Target {
                replace: self.replace(),
                kind: self.inode().kind(),
            },
        }
    }

    fn action(&mut self) -> ReleaseAction {
        match self.below(5) {
            0 => ReleaseAction::Keep,
            1..=2 => ReleaseAction::Set {
                inode: self.inode(),
            },
            3 => ReleaseAction::RemoveMoved,
            _ => ReleaseAction::RemoveDeleted,
        }
    }

    fn collection(&mut self) -> C {
        let (dir, key, inode) = self.snapshot();
        match self.below(8) {
            0 => C::Scrap {
                file: self.file().0,
                cookie: self.file().1,
            },
            1..=2 => C::DestroyTransient { file: self.inode() },
            3..=4 => C::CollectSnapshot { dir, key, inode },
            5 => C::BeginCollect { dir, key, inode },
            6 => C::ScrapForeign {
                inode: self.inode(),
            },
            _ if self.below(2) == 0 => C::RemoveDirectory { dir: self.dir() },
            _ => C::GarbageErased {
                erased: self.erased(),
            },
        }
    }

    fn erased(&mut self) -> Vec<ErasedBlock> {
        let known = self.garbage.clone();
        let Some(facts) = self.of(&known) else {
            return vec![ErasedBlock {
                block: BlockId(self.number()),
                proof: MacTag([0; 16]),
            }];
        };
        let key = key_of(facts.service).expect("all garbage is on known services");
        vec![ErasedBlock {
            block: facts.block,
            proof: key.sign(eggs_proto::Statement::Erased, &facts),
        }]
    }

    /// What no honest leader would prepare.
    fn prepared(&mut self) -> Prepared {
        let service = |n: u64| Some(BlockServiceId(n % 20)).filter(|_| !n.is_multiple_of(7));
        let services: Vec<_> = (0..self.below(8)).map(|_| service(self.number())).collect();
        match self.below(5) {
            0 => Prepared::Nothing,
            1 => Prepared::Cookie(Cookie(self.below(3))),
            2 => Prepared::Placed {
                class: StorageClass::Flash,
                services,
                certified: None,
            },
            3 => Prepared::Replaced {
                seen: (0..6).map(|_| BlockId(self.below(30) << 8)).collect(),
                services,
            },
            _ => Prepared::Proved(vec![
                CheckedProof {
                    facts: BlockFacts {
                        service: BlockServiceId(1),
                        block: BlockId(1),
                        size: 1,
                        checksum: Checksum(1),
                    },
                    verdict: Verdict::Genuine,
                };
                6
            ]),
        }
    }
}

fn dir_of(counter: u64) -> InodeId {
    InodeId::new(InodeKind::Directory, ShardId(0), counter)
}

fn ask_everything(bench: &Bench, dice: &mut Dice) {
    let (inode, dir, limit) = (dice.inode(), dice.dir(), dice.number() as u32);
    let (hash, name) = (NameHash(dice.number()), Some(dice.name()));
    let queries = [
        Q::Lookup {
            dir,
            name: dice.name(),
        },
        Q::Stat { inode },
        Q::List {
            dir,
            after: Some(DirectoryCursor { hash, name }),
            limit,
        },
        Q::ReadLink { inode },
        Q::Extents {
            file: inode,
            offset: dice.number(),
            limit,
            cookie: Some(Cookie(0)),
        },
        Q::Directory { dir },
        Q::Snapshots {
            dir,
            after: Some(dice.snapshot().1),
            limit,
        },
        Q::VisitTransients {
            after: Some((Time(dice.number()), inode)),
            limit,
        },
        Q::VisitDirectories {
            after: Some(inode),
            limit,
        },
        Q::VisitFiles {
            after: Some(inode),
            limit,
        },
        Q::VisitGarbage {
            after: Some(BlockId(dice.number())),
            limit,
        },
        Q::FilesOnService {
            service: BlockServiceId(dice.number()),
            after: Some(inode),
            limit,
        },
        Q::Usage,
    ];
    for query in queries {
        let _ = bench.query_as(PeerRole::Server, &query);
    }
}

/// Runs the changes that the seeds stand for; [`Bench`] checks the state after each.
fn run(seeds: &[u64]) -> (Bench, BTreeMap<String, usize>) {
    let mut bench = Bench::new();
    bench.allow_dangling_directories();
    let mut files = Vec::new();
    let mut accepted = BTreeMap::new();
    for counter in 1..3 {
        bench.create_directory(&format!("d{counter}"), counter);
    }
    for (at, seed) in seeds.iter().enumerate() {
        let mut dice = Dice::new(*seed, &bench, &files);
        if dice.below(40) == 0 {
            bench.wait_ms(dice.below(2) * eggs_proto::TRANSIENT_MS);
        }
        let change = dice.change(&bench);
        let kind = kind_of(&change);
        let answer = if dice.below(10) == 0 {
            let command = ShardCommand {
                change,
                origin: PeerRole::Server,
                prepared: dice.prepared(),
            };
            bench.apply(&command, 1_000_000 + at as u64)
        } else {
            bench.serve(change)
        };
        if answer.is_ok() {
            *accepted.entry(kind).or_insert(0) += 1;
        }
        if let Ok(ShardReply::Transient { file, cookie }) = answer {
            files.push((file, cookie));
        }
        ask_everything(&bench, &mut dice);
    }
    (bench, accepted)
}

fn kind_of(change: &C) -> String {
    let text = format!("{change:?}");
    text.chars().take_while(|c| c.is_alphabetic()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_sequence_of_changes_breaks_an_invariant(seeds in prop::collection::vec(any::<u64>(), 1..150)) {
        run(&seeds);
    }

    #[test]
    fn bytes_that_are_no_command_are_a_fault_and_not_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let machine = ShardMachine { shard: ShardId(0) };
        let mut store = MemoryStore::default();
        let applied = machine.apply(&mut store, ApplyContext { now: Time(1) }, &bytes);
        if decode::<ShardCommand>(&bytes).is_err() {
            assert!(matches!(applied, Err(Fault::Entry(_))));
        }
    }

    #[test]
    fn damaged_state_is_a_fault_and_not_a_panic(seeds in prop::collection::vec(any::<u64>(), 20..40), place: u16, byte: u8) {
        let (bench, _) = run(&seeds);
        let entries: Vec<_> = bench
            .store
            .iter()
            .map(|(table, key, value)| (table, key.to_vec(), value.to_vec()))
            .collect();
        let (table, key, mut value) = entries[usize::from(place) % entries.len()].clone();
        if let Some(first) = value.get_mut(usize::from(byte) % 8) {
            *first ^= byte | 1;
        }
        let mut store = bench.store.clone();
        eggs_machine::Store::put(&mut store, table, &key, &value);
        let _ = crate::invariants::check(ShardId(0), &store);
        let machine = ShardMachine { shard: ShardId(0) };
        for seed in &seeds {
            let mut dice = Dice::new(*seed, &bench, &[]);
            let command = ShardCommand {
                change: dice.change(&bench),
                origin: PeerRole::Server,
                prepared: dice.prepared(),
            };
            let _ = machine.apply(&mut store, ApplyContext { now: Time(1) }, &encode(&command));
        }
    }
}

/// The fuzz is worth something only if every kind of change succeeds somewhere.
#[test]
fn nonsense_often_makes_sense() {
    let seeds: Vec<u64> = (0..9000).collect();
    let mut accepted = BTreeMap::new();
    for part in seeds.chunks(150) {
        for (kind, times) in run(part).1 {
            *accepted.entry(kind).or_insert(0) += times;
        }
    }
    assert_eq!(accepted.len(), 29, "{accepted:?}");
}
