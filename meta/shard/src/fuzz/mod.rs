//! Nonsense: whatever is asked, in whatever order, nothing panics and every invariant holds.

mod dice;

use std::collections::BTreeMap;

use eggs_machine::{ApplyContext, Fault, MemoryStore, StateMachine};
use eggs_proto::audit::AuditCursor;
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::{DirectoryCursor, ShardChange as C, ShardQuery as Q, ShardReply};
use eggs_proto::{BlockId, BlockServiceId, Cookie, NameHash, ShardId, Time, decode, encode};
use proptest::prelude::{ProptestConfig, any, prop, proptest};

use crate::testing::Bench;
use crate::{ShardCommand, ShardMachine};
use dice::Dice;

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
        Q::Tree { dir },
        Q::Walk {
            dir,
            names: vec![dice.name(), dice.name()],
        },
        Q::GetXattr {
            inode,
            name: dice.xattr(),
        },
        Q::ListXattrs { inode },
        Q::Audit {
            after: Some(AuditCursor(dice.number().to_le_bytes().to_vec())),
            limit,
        },
    ];
    for query in queries {
        let _ = bench.query_as(PeerRole::Server, &query);
    }
}

/// Runs the changes that the seeds stand for; [`Bench`] checks the state after each.
fn run(seeds: &[u64]) -> (Bench, BTreeMap<&'static str, usize>) {
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
        let kind = change.kind();
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
        if let Ok(
            ShardReply::Transient { file, cookie } | ShardReply::Started { file, cookie, .. },
        ) = &answer
        {
            files.push((*file, *cookie));
        }
        if let Ok(ShardReply::Reserved(reserved)) = &answer {
            files.extend(reserved);
        }
        ask_everything(&bench, &mut dice);
    }
    (bench, accepted)
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
    let seeds: Vec<u64> = (0..18_000).collect();
    let mut accepted = BTreeMap::new();
    for part in seeds.chunks(150) {
        for (kind, times) in run(part).1 {
            *accepted.entry(kind).or_insert(0) += times;
        }
    }
    for kind in C::KINDS {
        let times = accepted.get(kind).unwrap_or(&0);
        assert!(*times > 0, "no {kind} was accepted: does the dice know it?");
    }
}
