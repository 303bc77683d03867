//! Reading through a cache on a local disk.

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use eggs_client::{CacheError, Client, ReadCache};
use eggs_forgetful::{Fate, Mounted, Power, Survival, Tree};
use eggs_proto::{InodeId, ProcessRole};

use crate::cluster::{Cluster, get, noise, put, within};

const MIB: usize = 1 << 20;
const SIZE: u64 = 64 << 20;

/// A client that keeps what it reads in a directory.
async fn client(cluster: &Cluster, dir: &Path) -> Client {
    with_cache(cluster, open(dir, SIZE).await.unwrap()).await
}

async fn with_cache(cluster: &Cluster, cache: ReadCache) -> Client {
    cluster
        .client_with(|config| config.cache = Some(cache))
        .await
}

/// Opens a cache once the last one who had it has let go of it.
async fn open(dir: &Path, size: u64) -> Result<ReadCache, CacheError> {
    let began = Instant::now();
    loop {
        match ReadCache::open(dir, size) {
            Err(CacheError::InUse { .. }) if began.elapsed() < Duration::from_secs(20) => {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            opened => return opened,
        }
    }
}

async fn settle(client: &Client) {
    let cache = client.cache().unwrap();
    cache.settle(Duration::from_secs(20)).await;
}

/// Requests to block services since the last time.
fn reads(cluster: &Cluster) -> usize {
    let reads = std::mem::take(&mut *cluster.world.blocks.reads.lock().unwrap());
    reads.values().map(Vec::len).sum()
}

#[tokio::test]
async fn what_was_read_once_is_read_without_block_services() {
    let mut cluster = Cluster::start();
    let dir = tempfile::tempdir().unwrap();
    let first = client(&cluster, dir.path()).await;
    let mut files = Vec::new();
    for (i, size) in [10_000, 700_001, 25 * MIB + 5].into_iter().enumerate() {
        let bytes = noise(size, i as u64);
        let file = put(&first, InodeId::ROOT, &format!("f{i}"), &bytes).await;
        files.push((file.inode, bytes));
    }
    for (file, bytes) in &files {
        assert!(within(20, get(&first, *file)).await == *bytes);
        settle(&first).await;
    }
    assert!(reads(&cluster) > 0);
    drop(first);
    let second = client(&cluster, dir.path()).await;
    for domain in 0..16 {
        cluster.kill(ProcessRole::Blocks, domain).await;
    }
    for (file, bytes) in &files {
        assert!(within(20, get(&second, *file)).await == *bytes);
        let reader = second.open(*file).await.unwrap();
        let part = within(5, reader.read_at(5001, 3000)).await.unwrap();
        assert_eq!(part[..], bytes[5001..8001]);
    }
    assert_eq!(reads(&cluster), 0);
    let counted = second.cache().unwrap().statistics();
    assert!(counted.hits > 0 && counted.misses == 0, "{counted:?}");
}

#[tokio::test]
async fn small_reads_keep_their_pages_and_a_write_keeps_none() {
    let cluster = Cluster::start();
    let dir = tempfile::tempdir().unwrap();
    let client = client(&cluster, dir.path()).await;
    let bytes = noise(3 * MIB, 9);
    let file = put(&client, InodeId::ROOT, "f", &bytes).await.inode;
    assert_eq!(client.cache().unwrap().statistics().filled_bytes, 0);
    let reader = client.open(file).await.unwrap();
    for _ in 0..2 {
        for at in [2_000_100, 1_000_100, 100] {
            let part = reader.read_at(at, 50).await.unwrap();
            assert_eq!(part[..], bytes[at as usize..at as usize + 50]);
            settle(&client).await;
        }
    }
    assert_eq!(reads(&cluster), 3, "the second round asks nobody");
    assert_eq!(client.cache().unwrap().statistics().filled_bytes, 3 * 4096);
}

#[tokio::test]
async fn a_cache_full_of_garbage_is_never_believed() {
    let cluster = Cluster::start();
    let dir = tempfile::tempdir().unwrap();
    let client = client(&cluster, dir.path()).await;
    let bytes = noise(5 * MIB, 4);
    let file = put(&client, InodeId::ROOT, "f", &bytes).await.inode;
    within(20, get(&client, file)).await;
    settle(&client).await;
    let path = dir.path().join("cache-1");
    let cache = std::fs::File::options().write(true).open(path).unwrap();
    // A byte of each page of what is there, while it is in use.
    for page in 0..SIZE / 4096 {
        cache.write_all_at(b"!", page * 4096 + page % 4096).unwrap();
    }
    assert!(within(20, get(&client, file)).await == bytes);
    assert!(client.cache().unwrap().statistics().damaged > 0);
    cache.set_len(0).unwrap();
    assert!(within(20, get(&client, file)).await == bytes);
}

/// Reads all files, twice, of which the second may find in the cache what the first put there.
async fn read_all(client: &Client, files: &[(InodeId, Vec<u8>)]) {
    for _ in 0..2 {
        for (file, bytes) in files {
            assert!(within(20, get(client, *file)).await == *bytes);
            settle(client).await;
        }
    }
}

async fn unmount(machine: Mounted) -> Tree {
    let (began, mut machine) = (Instant::now(), machine);
    loop {
        match machine.unmount() {
            Ok(tree) => return tree,
            Err(in_use) => machine = in_use,
        }
        assert!(began.elapsed() < Duration::from_secs(20), "it stays in use");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Nothing of a cache is ever synced. Its slots are used again all the time, so that labels and pages of former content are all
/// over what a power cut leaves.
#[tokio::test]
async fn whatever_a_power_cut_leaves_of_a_cache_is_no_wrong_byte() {
    const SMALLEST: u64 = 16 << 20;
    let cluster = Cluster::start();
    let plain = cluster.client().await;
    let mut files = Vec::new();
    for number in 0..4 {
        let bytes = noise(6_000_001, number);
        let file = put(&plain, InodeId::ROOT, &format!("f{number}"), &bytes).await;
        files.push((file.inode, bytes));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut tree = Tree::default();
    let (mut hits, mut damaged) = (0, 0);
    for seed in 0..12 {
        let power = Power::for_changes(seed * 997 % 9000);
        let Some(machine) = Mounted::new(tree, power, dir.path()).unwrap() else {
            return;
        };
        match open(dir.path(), SMALLEST).await {
            Ok(cache) => {
                let client = with_cache(&cluster, cache).await;
                read_all(&client, &files).await;
                let counted = client.cache().unwrap().statistics();
                hits += counted.hits;
                damaged += counted.damaged;
            }
            Err(error) => assert!(machine.power().is_off(), "{error}"),
        }
        let left = unmount(machine).await;
        tree = left.survivor(&mut Fate::new(Survival::Some, seed));
    }
    println!("{hits} hits, {damaged} damaged");
    assert!(hits > 0 && damaged > 0);
}

/// After a restore from a backup numbers of files and blocks are given again.
#[tokio::test]
async fn another_cluster_with_the_same_numbers_gets_its_own_bytes() {
    let dir = tempfile::tempdir().unwrap();
    for seed in [1, 2] {
        let cluster = Cluster::start();
        let client = client(&cluster, dir.path()).await;
        let bytes = noise(MIB, seed);
        let file = put(&client, InodeId::ROOT, "f", &bytes).await.inode;
        assert!(within(20, get(&client, file)).await == bytes);
        settle(&client).await;
        assert!(within(20, get(&client, file)).await == bytes);
    }
}

#[tokio::test]
async fn a_second_user_of_a_directory_goes_without() {
    let dir = tempfile::tempdir().unwrap();
    let _first = ReadCache::open(dir.path(), SIZE).unwrap();
    let second = ReadCache::open_unless_in_use(dir.path(), SIZE).unwrap();
    assert!(second.is_none());
    let nowhere = ReadCache::open_unless_in_use(Path::new("/proc/nowhere"), SIZE);
    assert!(matches!(nowhere, Err(CacheError::Io { .. })));
}
