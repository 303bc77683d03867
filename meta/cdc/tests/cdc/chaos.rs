//! Operations that overlap, drivers that stop anywhere, calls and reports that come twice or late: whatever
//! was observed has an order that explains it, and at the end everything is at rest.

use std::collections::{BTreeMap, BTreeSet};

use eggs_cdc::{CdcAnswer, CdcCommand, NextStep, StepOutcome, TransactionOutcome};
use eggs_proto::cdc::{CdcOperation, EntryName};
use eggs_proto::shard::{Replace, ShardCall, ShardChange};
use eggs_proto::{InodeId, Refusal, RequestId, TransactionId};

use crate::world::model::{Action, Event, Model, Outcome, Version, is_linearizable};
use crate::world::{World, at, mkdir, rename, rmdir, undelete};

const NAMES: [&str; 3] = ["a", "b", "c"];
const EVENTS: usize = 40;
const OVERLAP: usize = 4;

/// xorshift64*
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let word = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(word).unwrap() % n
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// What a driver remembers of a step: the answer it got, if any.
type Flight = Option<StepOutcome>;

struct Chaos {
    world: World,
    random: Random,
    moment: u64,
    dirs: Vec<InodeId>,
    open: Vec<(RequestId, CdcOperation, u64)>,
    events: Vec<Event>,
    flights: BTreeMap<(TransactionId, u32), Flight>,
    /// Copies that may still arrive.
    calls: Vec<ShardCall>,
    commands: Vec<CdcCommand>,
    /// Old versions seen, with the directory in which each was.
    versions: Vec<(InodeId, Version)>,
    /// Collections under way: whether the file was doomed on its shard.
    collections: Vec<(InodeId, Version, bool)>,
}

#[derive(Clone, Copy)]
enum Kind {
    Directory,
    File,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        Self {
            world: World::default(),
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            moment: 0,
            dirs: vec![InodeId::ROOT],
            open: Vec::new(),
            events: Vec::new(),
            flights: BTreeMap::new(),
            calls: Vec::new(),
            commands: Vec::new(),
            versions: Vec::new(),
            collections: Vec::new(),
        }
    }

    fn entry(&mut self) -> EntryName {
        let dir = self.random.pick(&self.dirs);
        at(dir, self.random.pick(&NAMES))
    }

    fn now(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    fn operation(&mut self) -> CdcOperation {
        let (entry, other) = (self.entry(), self.entry());
        let replace = self.random.pick(&[
            Replace::Files,
            Replace::Files,
            Replace::Never,
            Replace::Exchange,
        ]);
        match self.random.below(10) {
            0..=2 => mkdir(entry),
            3..=4 => rmdir(entry),
            5..=6 => match self.version(Kind::Directory) {
                Some((dir, version)) => undelete(EntryName { dir, ..entry }, version),
                None => rmdir(entry),
            },
            _ => rename(entry, other, replace),
        }
    }

    /// An old version of a directory or file, or one that was there once.
    fn version(&mut self, kind: Kind) -> Option<(InodeId, Version)> {
        let dir = self.random.pick(&self.dirs);
        for snapshot in self.world.snapshots(dir) {
            let version = Version {
                key: snapshot.key,
                inode: snapshot.inode,
            };
            if snapshot.owned && !self.versions.contains(&(dir, version.clone())) {
                self.versions.push((dir, version));
            }
        }
        let directories = matches!(kind, Kind::Directory);
        let mut known: Vec<_> = self.versions.clone();
        known.retain(|(_, version)| version.inode.is_directory() == directories);
        let recent = known.split_off(known.len().saturating_sub(4));
        (!recent.is_empty()).then(|| self.random.pick(&recent))
    }

    /// Goes on with a collection that was begun, as the collector does, or begins one.
    fn collect(&mut self) {
        if !self.collections.is_empty() {
            let at = self.random.below(self.collections.len());
            let (dir, version, scrapped) = self.collections[at].clone();
            let Version { key, inode } = version;
            if inode.is_directory() || scrapped {
                let collect = ShardChange::CollectSnapshot { dir, key, inode };
                let collected = self.world.change(dir.shard(), collect);
                // The directory that held it may have been collected since.
                assert!(
                    matches!(collected, Ok(_) | Err(Refusal::NotFound)),
                    "{collected:?}"
                );
                self.collections.swap_remove(at);
            } else {
                let scrap = ShardChange::ScrapForeign { inode };
                match self.world.change(inode.shard(), scrap) {
                    Ok(_) => self.collections[at].2 = true,
                    // The move that took it from its shard has not ended there yet.
                    Err(refusal) => assert_eq!(refusal, Refusal::NoSnapshot),
                }
            }
            return;
        }
        let kind = self.random.pick(&[Kind::Directory, Kind::File]);
        let Some((dir, version)) = self.version(kind) else {
            return;
        };
        let began = self.now();
        let Version { key, inode } = version.clone();
        let (foreign, directory) = (inode.shard() != dir.shard(), inode.is_directory());
        let (shard, change) = match (directory, foreign) {
            // Only if its snapshot is there, as the collector found it.
            (true, _)
                if !self
                    .world
                    .snapshots(dir)
                    .iter()
                    .any(|s| s.key == key && s.owned) =>
            {
                return;
            }
            (true, _) => (inode.shard(), ShardChange::RemoveDirectory { dir: inode }),
            (false, true) => (dir.shard(), ShardChange::BeginCollect { dir, key, inode }),
            (false, false) => (
                dir.shard(),
                ShardChange::CollectSnapshot { dir, key, inode },
            ),
        };
        if self.world.change(shard, change).is_err() {
            return; // it came back, or holds something, or is locked
        }
        if directory || foreign {
            self.collections.push((dir, version, false));
        }
        let ended = self.now();
        self.events.push(Event {
            action: Action::Collect(inode),
            began,
            ended,
            outcome: Ok(None),
        });
    }

    fn undelete_file(&mut self) {
        let Some((dir, version)) = self.version(Kind::File) else {
            return;
        };
        let entry = at(dir, self.random.pick(&NAMES));
        let began = self.now();
        let outcome = self.world.undelete_file(&entry, &version).map(|()| None);
        if outcome == Err(Refusal::Locked) {
            return;
        }
        let ended = self.now();
        self.events.push(Event {
            action: Action::UndeleteFile(entry, version),
            began,
            ended,
            outcome,
        });
    }

    /// Something that one shard does at once.
    fn local(&mut self) {
        let entry = self.entry();
        let began = self.now();
        let (action, outcome): (_, Outcome) = match self.random.below(5) {
            0 => {
                let outcome = self.world.create_file(&entry).map(Some);
                (Action::CreateFile(entry), outcome)
            }
            1 => {
                let outcome = self.world.unlink(&entry).map(|()| None);
                (Action::Unlink(entry), outcome)
            }
            _ => {
                let outcome = self.world.lookup(&entry).map(Some);
                (Action::Lookup(entry), outcome)
            }
        };
        if outcome == Err(Refusal::Locked) {
            return; // says nothing, and the search is shorter without it
        }
        let ended = self.now();
        self.events.push(Event {
            action,
            began,
            ended,
            outcome,
        });
    }

    fn begin(&mut self) {
        let operation = self.operation();
        let id = self.world.next_id();
        let began = self.now();
        self.open.push((id, operation.clone(), began));
        let answer = self.world.begin(id, operation);
        self.heard(&answer);
    }

    /// Somebody asks again.
    fn retry(&mut self) {
        if !self.open.is_empty() {
            let (id, operation, _) = self.random.pick(&self.open);
            let answer = self.world.begin(id, operation);
            self.heard(&answer);
        }
    }

    fn heard(&mut self, answer: &CdcAnswer) {
        let CdcAnswer::Finished { request, outcome } = answer else {
            return;
        };
        let Some(at) = self.open.iter().position(|(id, _, _)| id == request) else {
            return; // heard before
        };
        let (_, operation, began) = self.open.swap_remove(at);
        let outcome = match outcome.clone() {
            TransactionOutcome::Done => Ok(None),
            TransactionOutcome::Made { dir } => {
                self.dirs.push(dir);
                Ok(Some(dir))
            }
            TransactionOutcome::Refused(refusal) => Err(refusal),
            TransactionOutcome::Stuck => panic!("{:?}", eggs_cdc::stuck(&self.world.cdc)),
        };
        let ended = self.now();
        self.events.push(Event {
            action: Action::Run(operation),
            began,
            ended,
            outcome,
        });
    }

    /// One move of a driver for some transaction.
    fn drive(&mut self) {
        let pending = self.world.pending();
        if pending.is_empty() {
            return;
        }
        let step = self.random.pick(&pending);
        let key = (step.transaction, step.serial);
        match self.flights.get(&key).cloned().flatten() {
            None => {
                let call = step.call();
                if self.random.below(20) == 0 {
                    self.calls.push(call); // on its way for a long time: perhaps the driver is gone by then
                } else {
                    self.send(&step, call);
                }
            }
            Some(outcome) => {
                let command = CdcCommand::StepDone {
                    transaction: step.transaction,
                    serial: step.serial,
                    outcome,
                };
                self.commands.push(command.clone());
                let answer = self.world.command(&command);
                self.heard(&answer);
            }
        }
    }

    fn send(&mut self, step: &NextStep, call: ShardCall) {
        self.world.tick(5);
        self.calls.push(call.clone());
        let outcome = StepOutcome::of_answer(self.world.send(&call)).unwrap();
        let key = (step.transaction, step.serial);
        self.flights.insert(key, Some(outcome));
    }

    /// Something that was sent before arrives once more.
    fn echo(&mut self) {
        if self.random.below(2) == 0 && !self.calls.is_empty() {
            let call = self.random.pick(&self.calls);
            drop(self.world.send(&call));
        } else if !self.commands.is_empty() {
            let command = self.random.pick(&self.commands);
            let answer = self.world.command(&command);
            self.heard(&answer);
        }
    }

    fn run(mut self) -> Result<Model, String> {
        while self.events.len() < EVENTS || !self.open.is_empty() || !self.collections.is_empty() {
            match self.random.below(100) {
                0..15 if self.events.len() < EVENTS && self.open.len() < OVERLAP => self.begin(),
                15..30 if self.events.len() < EVENTS => self.local(),
                42..45 if self.events.len() < EVENTS => self.undelete_file(),
                45..48 if self.events.len() < EVENTS || !self.collections.is_empty() => {
                    self.collect();
                }
                30..33 => self.retry(),
                33..39 => self.echo(),
                39..42 => self.flights.clear(), // another driver, which remembers nothing
                42 => assert_eq!(self.world.suspects(), [], "of one moment"),
                _ => self.drive(),
            }
        }
        let names = NAMES.map(|name| at(InodeId::ROOT, name));
        self.world.check_at_rest(&names);
        let explained = is_linearizable(&self.events, &Model::default());
        let model = explained.map_err(|why| format!("{:#?}\n{why}", Brief(&self.events)))?;
        let mut real: Vec<_> = Vec::new();
        for (dir, _) in self.world.directories() {
            let list = self.world.list(dir).into_iter();
            real.extend(list.map(|(name, inode)| (dir, name.as_bytes().to_vec(), inode)));
        }
        real.sort();
        let expected: Vec<_> = model
            .entries()
            .map(|(dir, name, inode)| (dir, name.to_vec(), inode))
            .collect();
        // An order may explain the outcomes and not the end; a lookup of everything at the end decides.
        let mut events = self.events;
        let names: BTreeSet<_> = real
            .iter()
            .chain(&expected)
            .map(|(d, n, _)| (d, n))
            .collect();
        for (dir, name) in names {
            let entry = at(*dir, std::str::from_utf8(name).unwrap());
            let outcome = self.world.lookup(&entry).map(Some);
            events.push(Event {
                action: Action::Lookup(entry),
                began: u64::MAX,
                ended: u64::MAX,
                outcome,
            });
        }
        is_linearizable(&events, &Model::default())
    }
}

/// A history with one line per event.
struct Brief<'a>(&'a [Event]);

impl std::fmt::Debug for Brief<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for e in self.0 {
            let text = format!("{:?}", e.action);
            let text = text.replace("InodeId(23058430092136", "(");
            writeln!(f, "{}..{} {text} {:?}", e.began, e.ended, e.outcome)?;
        }
        Ok(())
    }
}

#[test]
fn every_history_has_an_order_and_everything_comes_to_rest() {
    let seeds = match std::env::var("EGGS_SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().unwrap();
            seed..seed + 1
        }
        Err(_) => {
            let count = std::env::var("EGGS_SEEDS").map_or(600, |n| n.parse().unwrap());
            1..count + 1
        }
    };
    for seed in seeds {
        let result = std::panic::catch_unwind(|| Chaos::new(seed).run());
        let repeat =
            format!("repeat: EGGS_SEED={seed} cargo test --release -p eggs-cdc --test chaos");
        match result {
            Ok(Ok(_)) => {}
            Ok(Err(why)) => panic!("{why}\n{repeat}"),
            Err(panic) => {
                eprintln!("{repeat}");
                std::panic::resume_unwind(panic);
            }
        }
    }
}
