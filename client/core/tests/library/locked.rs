//! Names that a transaction holds: readers wait for the outcome, and not for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use eggs_client::{Client, ClientError, FollowLast};
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::{LockPurpose, ReleaseAction, Replace, ShardChange};
use eggs_proto::{InodeId, InodeKind, Refusal, TransactionId};

use crate::cluster::{Cluster, NEW, name, put};

const ROOT: InodeId = InodeId::ROOT;

/// As the CDC does.
fn step(cluster: &Cluster, dir: InodeId, change: ShardChange) {
    let shards = &cluster.world.shards;
    shards
        .change(dir.shard(), PeerRole::Server, None, change)
        .unwrap();
}

fn lock(cluster: &Cluster, dir: InodeId, purpose: LockPurpose, transaction: TransactionId) {
    let lock = ShardChange::LockDentry {
        dir,
        name: name("x"),
        purpose,
        transaction,
    };
    step(cluster, dir, lock);
}

fn release(cluster: &Cluster, dir: InodeId, action: ReleaseAction, transaction: TransactionId) {
    let release = ShardChange::ReleaseDentry {
        dir,
        name: name("x"),
        action,
        transaction,
    };
    step(cluster, dir, release);
}

const SOURCE: LockPurpose = LockPurpose::Source { expected: None };
const TARGET: LockPurpose = LockPurpose::Target {
    replace: Replace::Never,
    kind: InodeKind::File,
};

async fn pause() {
    tokio::time::sleep(Duration::from_millis(3)).await;
}

async fn is_there(client: &Client, dir: InodeId) -> bool {
    match client.lookup(dir, &name("x")).await {
        Ok(_) => true,
        Err(error) if error.is_not_found() => false,
        Err(error) => panic!("{error}"),
    }
}

async fn is_listed(client: &Client, dir: InodeId) -> bool {
    !client.list(dir, None, 10).await.unwrap().entries.is_empty()
}

/// The file moves once. Whoever does not find it in its old directory finds it in the new one from then on, and whoever
/// finds it in the new one does not find it in the old one any more.
async fn observe(client: Client, dirs: [InodeId; 2], done: Arc<AtomicBool>) -> u32 {
    let [old, new] = dirs;
    let mut rounds = 0;
    while !done.load(Ordering::Relaxed) {
        let listing = rounds % 2 == 0;
        if listing {
            if !is_listed(&client, old).await {
                assert!(is_listed(&client, new).await, "in neither directory");
            }
            if is_listed(&client, new).await {
                assert!(!is_listed(&client, old).await, "in both directories");
            }
        } else {
            if !is_there(&client, old).await {
                assert!(is_there(&client, new).await, "under neither name");
            }
            if is_there(&client, new).await {
                assert!(!is_there(&client, old).await, "under both names");
            }
        }
        rounds += 1;
    }
    rounds
}

#[tokio::test]
async fn nobody_sees_both_names_of_a_move_or_neither() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    for number in 1..12u64 {
        let mut dirs = [ROOT; 2];
        for (at, dir) in dirs.iter_mut().enumerate() {
            let text = name(&format!("d{number}{at}"));
            *dir = client.make_directory(ROOT, &text, NEW).await.unwrap();
        }
        let [old, new] = dirs;
        let inode = put(&client, old, "x", b"content").await.inode;
        let done = Arc::new(AtomicBool::new(false));
        let observers: Vec<_> = (0..3)
            .map(|_| tokio::spawn(observe(client.clone(), dirs, done.clone())))
            .collect();
        let transaction = TransactionId(1000 + number);
        pause().await;
        lock(&cluster, old, SOURCE, transaction);
        pause().await;
        lock(&cluster, new, TARGET, transaction);
        pause().await;
        release(&cluster, new, ReleaseAction::Set { inode }, transaction);
        pause().await;
        release(&cluster, old, ReleaseAction::RemoveMoved, transaction);
        pause().await;
        done.store(true, Ordering::Relaxed);
        for observer in observers {
            assert!(observer.await.unwrap() > 0);
        }
        assert!(!is_there(&client, old).await && is_there(&client, new).await);
    }
}

#[tokio::test]
async fn whoever_waits_for_a_name_waits_no_longer_than_the_time_out() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    put(&client, ROOT, "x", b"content").await;
    lock(&cluster, ROOT, SOURCE, TransactionId(1000));
    let patient = client.with_timeout(Duration::from_millis(400));
    let locked = ClientError::Refused(Refusal::Locked);
    let began = Instant::now();
    let x = name("x");
    let (lookup, list, resolve, unlink) = tokio::join!(
        patient.lookup(ROOT, &x),
        patient.list(ROOT, None, 10),
        patient.resolve("/x", FollowLast::No),
        patient.unlink(ROOT, &x, None),
    );
    assert_eq!(lookup.unwrap_err(), locked);
    assert_eq!(list.unwrap_err(), locked);
    assert_eq!(resolve.unwrap_err(), locked);
    assert_eq!(unlink.unwrap_err(), locked);
    let waited = began.elapsed();
    assert!(waited >= Duration::from_millis(300), "{waited:?}");
    assert!(waited < Duration::from_secs(10), "{waited:?}");
    // Given up, the name is as it was, and whoever still waits gets it.
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { is_there(&client, ROOT).await }
    });
    pause().await;
    release(&cluster, ROOT, ReleaseAction::Keep, TransactionId(1000));
    assert!(waiting.await.unwrap());
}
