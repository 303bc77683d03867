//! A shard that is filled from a backup: nothing is named twice, and every directory tells its parent what is in it.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

use eggs_machine::golden::load;
use eggs_machine::{
    ApplyContext, MemoryStore, Outcome, RestoredRow, StateMachine, Store, StoreRead,
};
use eggs_proto::shard::{Replace, ShardChange, ShardQuery, ShardReply};
use eggs_proto::{InodeId, Name, NewAttributes, Refusal, ShardId, Time, decode, encode};
use eggs_shard::trees::pending;
use eggs_shard::{QueryContext, ShardCommand, ShardMachine, keys, query};

const SHARD: ShardId = ShardId(0);
const MACHINE: ShardMachine = ShardMachine { shard: SHARD };
/// Long after everything in the golden state.
const NOW: Time = Time(1 << 45);

fn golden() -> MemoryStore {
    load(include_str!("../../../golden/form-2/shard.txt"))
}

/// What a shard gets that is filled from another.
fn restored(from: &MemoryStore) -> MemoryStore {
    let mut filled = MemoryStore::default();
    for (table, key, value) in from.iter() {
        let row = RestoredRow { table, key, value };
        let mut put = |table, key: &[u8], value: &[u8]| filled.put(table, key, value);
        MACHINE.restored(NOW, row, &mut put).unwrap();
    }
    filled
}

/// The inode of a file that is made now.
fn next_file(store: &mut MemoryStore) -> InodeId {
    let change = ShardChange::CreateFile {
        dir: InodeId::ROOT,
        name: Name::new("the next one").unwrap(),
        replace: Replace::Never,
        attributes: NewAttributes {
            mode: 0o644,
            uid: 0,
            gid: 0,
            mtime: None,
            atime: None,
        },
        content: Vec::new(),
    };
    let map = eggs_proto::ClusterMap::default();
    let context = eggs_shard::PrepareContext {
        map: &map,
        keys: &|_| None,
        most_free: eggs_proto::MostFree::of(&map),
        shares: &eggs_shard::Shares::ALL_FULL,
        entropy: [7; 32],
        origin: eggs_proto::hello::PeerRole::Client,
        now: NOW,
    };
    let command: ShardCommand = eggs_shard::prepare(SHARD, store, &context, change)
        .unwrap()
        .unwrap();
    let context = ApplyContext { now: NOW };
    let outcome = MACHINE.apply(store, context, &encode(&command)).unwrap();
    let Outcome::Accepted(reply) = outcome else {
        panic!("{outcome:?}")
    };
    match decode::<Result<ShardReply, Refusal>>(&reply)
        .unwrap()
        .unwrap()
    {
        ShardReply::Linked { inode, .. } => inode,
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_is_named_again() {
    let before = next_file(&mut golden()).counter();
    let after = next_file(&mut restored(&golden())).counter();
    assert_eq!(after - before, 1 << 32);
}

#[test]
fn every_directory_reports_again_and_later_than_ever() {
    let filled = restored(&golden());
    let inodes = golden();
    let directories = inodes.iter().filter(|(table, key, _)| {
        let inode = |key: &[u8]| InodeId::try_from(u64::from_be_bytes(key.try_into().unwrap()));
        *table == keys::INODES && inode(key).is_ok_and(|i| i.is_directory() && i != InodeId::ROOT)
    });
    let work = pending(SHARD, &filled, 1000).unwrap();
    let count = directories.count();
    assert!(count > 0, "the golden state has directories");
    assert_eq!(work.reports.len(), count);
    assert!(work.reports.iter().all(|report| report.version == NOW));
    assert!(work.gone.iter().all(|(_, version)| *version == NOW));
}

#[test]
fn only_an_empty_shard_is_empty_and_what_is_restored_is_read() {
    assert!(MACHINE.is_empty(&MemoryStore::default()).unwrap());
    assert!(!MACHINE.is_empty(&golden()).unwrap());
    let ask = |store: &dyn StoreRead| {
        let context = QueryContext {
            keys: &|_| None,
            origin: eggs_proto::hello::PeerRole::Client,
            now: NOW,
        };
        let (after, limit) = (None, 100);
        let dir = InodeId::ROOT;
        query(
            SHARD,
            store,
            &context,
            &ShardQuery::List { dir, after, limit },
        )
        .unwrap()
    };
    assert_eq!(ask(&restored(&golden())), ask(&golden()));
}
