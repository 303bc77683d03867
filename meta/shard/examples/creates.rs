//! What applying creates of small files costs a replica, without its store: `cargo run --release -p eggs-shard --example creates`.

use std::time::{Duration, Instant};

use eggs_machine::{Command, CommandHeader, Entry, MemoryStore, apply_entry};
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::{Replace, ShardChange};
use eggs_proto::{ClusterMap, InodeId, Name, NewAttributes, RequestId, ShardId, Time, encode};
use eggs_shard::{PrepareContext, ShardMachine, prepare};

const SHARD: ShardId = ShardId(0);
const FILES: u64 = 20_000;

fn main() {
    for batch in [1, 4, 16, 64] {
        let best = (0..5).map(|_| run(batch)).min().unwrap_or_default();
        let each = best.as_secs_f64() * 1e6 / FILES as f64;
        println!("{batch:3} creates in an entry: {each:.2} us each");
    }
}

/// How long it takes to apply all files in entries of `batch`.
fn run(batch: u64) -> Duration {
    let machine = ShardMachine { shard: SHARD };
    let mut store = MemoryStore::default();
    let mut spent = Duration::ZERO;
    for first in (0..FILES).step_by(batch as usize) {
        let commands = (first..first + batch).map(|at| create(&store, at));
        let entry = Entry {
            commands: commands.collect(),
        };
        let began = Instant::now();
        let applied = apply_entry(&machine, &store, &entry).expect("the store works");
        spent += began.elapsed();
        store.commit(&applied.changes);
    }
    spent
}

fn create(store: &MemoryStore, at: u64) -> Command {
    let now = Time(1_000_000 + at);
    let change = ShardChange::CreateFile {
        dir: InodeId::ROOT,
        name: Name::new(format!("file-{at:08}").as_bytes()).expect("a good name"),
        replace: Replace::Never,
        attributes: NewAttributes {
            mode: 0o644,
            uid: 10,
            gid: 20,
            mtime: None,
            atime: None,
        },
        content: vec![7; 100],
    };
    let context = PrepareContext {
        map: &ClusterMap::default(),
        keys: &|_| None,
        most_free: eggs_proto::MostFree::default(),
        shares: &eggs_shard::Shares::ALL_FULL,
        entropy: [7; 32],
        origin: PeerRole::Client,
        now,
    };
    let prepared = prepare(SHARD, store, &context, change);
    let command = prepared.expect("the store works").expect("not refused");
    let request = Some(RequestId {
        client: 5,
        sequence: at,
    });
    Command {
        header: CommandHeader { now, request },
        body: encode(&command),
    }
}
