//! What the documentation says is so.

use std::time::Duration;

use eggs_client::Client;
use eggs_proto::shard::{Replace, ShardChange, ShardReply};
use eggs_proto::{AttributeChange, InodeId};
use eggs_rpc::PeerRole;
use futures::{StreamExt as _, TryStreamExt as _};

use crate::cluster::{Cluster, NEW, get, name, noise, put, within};

#[path = "../../examples/tour.rs"]
mod tour;

#[tokio::test]
async fn the_tour_runs() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    for _ in 0..2 {
        within(30, tour::tour(&client)).await.unwrap();
    }
}

#[tokio::test]
async fn a_stream_gives_any_range_and_ends_with_an_error() {
    let mut cluster = Cluster::start();
    let client = cluster.client().await;
    let bytes = noise(5_000_001, 3);
    let file = put(&client, InodeId::ROOT, "f", &bytes).await.inode;
    let reader = client.open(file).await.unwrap();
    for range in [
        0..5_000_001,
        17..1_048_593,
        17..1_500_000,
        4_999_990..9_000_000,
        7..7,
        6_000_000..7_000_000,
    ] {
        let pieces: Vec<_> = within(20, reader.stream(range.clone()).try_collect())
            .await
            .unwrap();
        let expected = bytes.get(range.start as usize..(range.end as usize).min(bytes.len()));
        assert!(pieces.concat() == expected.unwrap_or_default(), "{range:?}");
    }
    for domain in 0..16 {
        cluster.kill(eggs_proto::ProcessRole::Blocks, domain).await;
    }
    let hasty = client.with_timeout(Duration::from_secs(1));
    let reader = hasty.open(file).await.unwrap();
    let results: Vec<_> = within(20, reader.stream(0..u64::MAX).collect()).await;
    assert_eq!(results.len(), 1);
    assert!(results[0].is_err());
}

#[tokio::test]
async fn a_stream_comes_in_pieces_of_a_mebibyte_at_most() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let bytes = noise(2_500_000, 3);
    let file = put(&client, InodeId::ROOT, "f", &bytes).await.inode;
    let reader = client.open(file).await.unwrap();
    let stream = reader.stream(100..u64::MAX);
    let pieces: Vec<_> = within(20, stream.try_collect()).await.unwrap();
    let lens: Vec<usize> = pieces.iter().map(bytes::Bytes::len).collect();
    assert_eq!(lens, [1 << 20, 1 << 20, 2_500_000 - 100 - (2 << 20)]);
}

/// What is skipped is what is in the directory that was met last; after a file that is nothing, also where a page of entries ends.
#[tokio::test]
async fn skipping_after_a_file_leaves_nothing_out() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let root = InodeId::ROOT;
    let dir = client.make_directory(root, &name("d"), NEW).await.unwrap();
    for number in 0..600 {
        put(&client, dir, &format!("f{number}"), b"x").await;
    }
    let (mut walk, mut met) = (client.walk_tree(InodeId::ROOT), 0);
    while let Some(entry) = within(20, walk.next()).await.unwrap() {
        met += 1;
        if !entry.entry.dentry.inode.is_directory() {
            walk.skip();
        }
    }
    assert_eq!(met, 601);
}

/// Three directories, of which the first is lost in some way after its name was read.
async fn walk_past_one_that_is_lost(cluster: &Cluster, client: &Client, collected: bool) {
    for dir in ["a", "b", "c"] {
        let dir = name(dir);
        client
            .make_directory(InodeId::ROOT, &dir, NEW)
            .await
            .unwrap();
    }
    let mut walk = client.walk_tree(InodeId::ROOT);
    let first = within(20, walk.next()).await.unwrap().unwrap().entry;
    client
        .remove_directory(InodeId::ROOT, &first.name)
        .await
        .unwrap();
    if collected {
        let dir = first.dentry.inode;
        let shards = &cluster.world.shards;
        let remove = ShardChange::RemoveDirectory { dir };
        let gone = shards.change(dir.shard(), PeerRole::Server, None, remove);
        assert_eq!(gone, Ok(ShardReply::Done));
        let listed = client.list(dir, None, 1).await;
        assert!(listed.unwrap_err().is_not_found());
    }
    let mut met = 1;
    while let Some(_entry) = within(20, walk.next()).await.unwrap() {
        met += 1;
    }
    assert_eq!(met, 3);
    for dir in ["b", "c"] {
        let removed = client.remove_directory(InodeId::ROOT, &name(dir)).await;
        removed.unwrap();
    }
}

#[tokio::test]
async fn a_walk_goes_past_what_was_removed_meanwhile_and_what_was_collected() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    walk_past_one_that_is_lost(&cluster, &client, false).await;
    walk_past_one_that_is_lost(&cluster, &client, true).await;
}

#[tokio::test]
async fn a_walk_meets_everything_once_and_directories_first() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let mut dirs = vec![(InodeId::ROOT, String::new())];
    let mut expected = Vec::new();
    for (at, parent) in [0, 0, 1, 1, 3].into_iter().enumerate() {
        let (dir, path) = dirs[parent].clone();
        let made = client
            .make_directory(dir, &name(&format!("d{at}")), NEW)
            .await
            .unwrap();
        let path = format!("{path}/d{at}");
        expected.push(path.clone());
        dirs.push((made, path));
    }
    // More than a page in one of them.
    for number in 0..300 {
        let (dir, path) = &dirs[2];
        put(&client, *dir, &format!("f{number}"), b"x").await;
        expected.push(format!("{path}/f{number}"));
    }
    let mut walk = client.walk_tree(InodeId::ROOT);
    let mut met = Vec::new();
    loop {
        // Given up at some requests, it goes on where it was.
        let next = tokio::time::timeout(Duration::from_micros(300), walk.next()).await;
        match next {
            Ok(Ok(Some(entry))) => met.push(format!("/{}", String::from_utf8(entry.path).unwrap())),
            Ok(Ok(None)) => break,
            Ok(Err(error)) => panic!("{error}"),
            Err(_given_up) => {
                if let Some(entry) = within(20, walk.next()).await.unwrap() {
                    met.push(format!("/{}", String::from_utf8(entry.path).unwrap()));
                }
            }
        }
    }
    for (at, path) in met.iter().enumerate() {
        let parent = path.rsplit_once('/').unwrap().0;
        assert!(parent.is_empty() || met[..at].iter().any(|before| before == parent));
    }
    met.sort();
    expected.sort();
    assert_eq!(met, expected);
    // Without what is in one directory.
    let (mut walk, mut left) = (client.walk_tree(InodeId::ROOT), 0);
    while let Some(entry) = walk.next().await.unwrap() {
        left += 1;
        if entry.entry.dentry.inode == dirs[2].0 {
            walk.skip();
        }
    }
    assert_eq!(left, expected.len() - 300);
}

/// Whatever is given up, what is linked is a beginning of what was written, as long as the writer said.
#[tokio::test]
async fn a_write_that_is_given_up_leaves_a_beginning() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let bytes = noise(60 << 20, 8);
    for round in 0..6u64 {
        let mut writer = client.create(InodeId::ROOT, NEW, "f");
        let mut written = 0;
        while written < bytes.len() {
            let part = &bytes[written..(written + (7 << 20)).min(bytes.len())];
            let patience = Duration::from_micros(200 + 1500 * round);
            let _given_up = tokio::time::timeout(patience, writer.write(part)).await;
            let len = writer.len() as usize;
            assert!((written..=written + part.len()).contains(&len));
            written = len;
        }
        let change = AttributeChange::default();
        let linked = within(60, writer.link(&name("f"), Replace::Files, change))
            .await
            .unwrap();
        assert!(
            within(60, get(&client, linked.inode)).await == bytes,
            "round {round}"
        );
    }
}
