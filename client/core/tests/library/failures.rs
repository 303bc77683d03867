//! Dead processes and damaged disks.

use std::os::unix::fs::FileExt as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use eggs_client::{Client, ClientConfig, ClientError};
use eggs_proto::hello::Secret;
use eggs_proto::{ExtentBlock, ExtentBody, InodeId, NodeId, ProcessRole};
use eggs_rpc::Credentials;

use crate::cluster::{Cluster, get, name, noise, put, within};
use crate::node::Node;

const MIB: usize = 1 << 20;

async fn blocks(client: &Client, file: InodeId) -> Vec<ExtentBlock> {
    let extents = client.extents(file).await.unwrap();
    let of = |extent: eggs_proto::Extent| match extent.body {
        ExtentBody::Blocks { blocks, .. } => blocks,
        ExtentBody::Inline(_) | ExtentBody::Hole => Vec::new(),
    };
    extents.into_iter().flat_map(of).collect()
}

#[tokio::test]
async fn four_dead_failure_domains_stop_neither_reading_nor_writing() {
    let mut cluster = Cluster::start();
    let client = cluster.client().await;
    let sizes = [10_000, 500_000, 3 * MIB, 25 * MIB];
    let mut files = Vec::new();
    for (i, size) in sizes.into_iter().enumerate() {
        let bytes = noise(size, i as u64);
        let linked = put(&client, InodeId::ROOT, &format!("old{i}"), &bytes).await;
        files.push((linked.inode, bytes));
    }
    for domain in [2, 3, 7, 11] {
        cluster.kill(ProcessRole::Blocks, domain).await;
    }
    for (inode, bytes) in &files {
        assert!(within(20, get(&client, *inode)).await == *bytes);
    }
    let fresh = cluster.client().await; // one that does not know yet who is dead
    for (i, size) in sizes.into_iter().enumerate() {
        let bytes = noise(size, 100 + i as u64);
        let file = format!("new{i}");
        let linked = within(30, put(&fresh, InodeId::ROOT, &file, &bytes)).await;
        assert!(within(20, get(&client, linked.inode)).await == bytes);
    }
}

#[tokio::test]
async fn damaged_and_missing_block_files_are_decoded_around() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    for size in [50_000, 900_000, 20 * MIB] {
        let bytes = noise(size, 3);
        let linked = put(&client, InodeId::ROOT, &format!("f{size}"), &bytes).await;
        let blocks = blocks(&client, linked.inode).await;
        let path = |i: usize| {
            cluster
                .world
                .blocks
                .file(blocks[i].service, blocks[i].block)
        };
        for index in [0, 2] {
            let file = std::fs::File::options()
                .write(true)
                .open(path(index))
                .unwrap();
            file.write_all_at(b"rotten", 5000).unwrap();
        }
        let file = std::fs::File::options().write(true).open(path(1)).unwrap();
        file.set_len(4096).unwrap();
        std::fs::remove_file(path(3)).unwrap();
        assert!(
            within(20, get(&client, linked.inode)).await == bytes,
            "{size}"
        );
        let reader = client.open(linked.inode).await.unwrap();
        assert_eq!(
            reader.read_at(4990, 30).await.unwrap()[..],
            bytes[4990..5020]
        );
    }
}

#[tokio::test]
async fn beyond_repair_is_an_error_and_never_a_wrong_byte() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let bytes = noise(50_000, 3);
    let linked = put(&client, InodeId::ROOT, "f", &bytes).await;
    for block in blocks(&client, linked.inode).await {
        let path = cluster.world.blocks.file(block.service, block.block);
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.write_all_at(b"rotten", 20_000).unwrap();
    }
    let reader = client.open(linked.inode).await.unwrap();
    let error = within(20, reader.read_at(20_000, 10)).await.unwrap_err();
    assert!(matches!(error, ClientError::Damaged { .. }), "{error}");
    let elsewhere = reader.read_at(0, 4096).await.unwrap();
    assert_eq!(elsewhere[..], bytes[..4096]);
}

#[tokio::test]
async fn a_change_of_leaders_goes_unnoticed() {
    let mut cluster = Cluster::start();
    let client = cluster.client().await;
    let worker = client.clone();
    let work = tokio::spawn(async move {
        for i in 0..300 {
            let file = format!("f{i}");
            let linked = put(&worker, InodeId::ROOT, &file, file.as_bytes()).await;
            assert_eq!(get(&worker, linked.inode).await, file.as_bytes());
        }
    });
    for leader in [1, 2, 0, 2] {
        tokio::time::sleep(Duration::from_millis(30)).await;
        cluster.world.leader.store(leader, Ordering::SeqCst);
    }
    cluster.kill(ProcessRole::Shard, 2).await;
    tokio::time::sleep(Duration::from_millis(500)).await; // until then nobody leads
    cluster.world.leader.store(1, Ordering::SeqCst);
    within(60, work).await.unwrap();
    let page = client.list(InodeId::ROOT, None, 1000).await.unwrap();
    assert_eq!(page.entries.len(), 300);
}

#[tokio::test]
async fn nothing_waits_longer_than_the_time_out() {
    let mut cluster = Cluster::start();
    let timeout = Duration::from_secs(2);
    let client = cluster.client_with(|config| config.timeout = timeout).await;
    let linked = put(&client, InodeId::ROOT, "f", &noise(100_000, 1)).await;
    cluster.world.hang.store(true, Ordering::Relaxed);
    let began = Instant::now();
    let error = client.lookup(InodeId::ROOT, &name("f")).await.unwrap_err();
    assert!(matches!(error, ClientError::Deadline { .. }), "{error}");
    assert!(error.is_retryable() && error.errno() == eggs_proto::errno::ETIMEDOUT);
    assert!(began.elapsed() < timeout * 2, "{:?}", began.elapsed());
    cluster.world.hang.store(false, Ordering::Relaxed);
    let reader = client.open(linked.inode).await.unwrap();
    for domain in 0..16 {
        cluster.kill(ProcessRole::Blocks, domain).await;
    }
    let began = Instant::now();
    let error = reader.read_at(0, 10).await.unwrap_err();
    assert!(matches!(error, ClientError::TooFewBlocks { .. }), "{error}");
    assert!(began.elapsed() < timeout * 2, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_process_that_comes_back_elsewhere_is_found() {
    let mut cluster = Cluster::start();
    let client = cluster.client().await;
    let bytes = noise(40_000, 8);
    let linked = put(&client, InodeId::ROOT, "f", &bytes).await;
    for index in 0..3 {
        cluster.kill(ProcessRole::Shard, index).await;
    }
    for domain in 0..16 {
        cluster.kill(ProcessRole::Blocks, domain).await;
    }
    for index in 0..3 {
        cluster.start_node(NodeId::new(ProcessRole::Shard, index));
    }
    for domain in 0..16 {
        cluster.start_node(NodeId::new(ProcessRole::Blocks, domain));
    }
    assert!(within(20, get(&client, linked.inode)).await == bytes);
}

#[tokio::test]
async fn a_stranger_at_a_registry_address_is_passed_over() {
    let cluster = Cluster::start();
    let node = Node {
        node: NodeId::new(ProcessRole::Registry, 9),
        world: cluster.world.clone(),
    };
    let stranger = node.start(Credentials::server(Secret::new([1; 32])));
    for _ in 0..5 {
        let client = cluster
            .client_with(|config| config.registry.push(stranger.address))
            .await;
        assert_eq!(
            client.stat(InodeId::ROOT).await.unwrap().inode,
            InodeId::ROOT
        );
        let alone = |config: &mut ClientConfig| config.registry = vec![stranger.address];
        let error = cluster.try_client_with(alone).await.err().unwrap();
        assert!(matches!(error, ClientError::Unauthorized { .. }), "{error}");
    }
}
