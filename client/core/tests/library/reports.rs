//! Readers report damage to those who keep it.

use std::os::unix::fs::FileExt as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use eggs_client::Client;
use eggs_proto::block::DamagedBlock;
use eggs_proto::{Extent, ExtentBlock, ExtentBody, InodeId};

use crate::cluster::{Cluster, get, noise, put, within};

/// A file whose content is in one extent of blocks.
async fn file(client: &Client) -> (InodeId, Extent) {
    let file = put(client, InodeId::ROOT, "f", &noise(3 << 20, 5)).await;
    let extent = client.extents(file.inode).await.unwrap().remove(0);
    (file.inode, extent)
}

fn block(extent: &Extent, index: usize) -> ExtentBlock {
    match &extent.body {
        ExtentBody::Blocks { blocks, .. } => blocks[index],
        other => panic!("{other:?}"),
    }
}

fn report(file: InodeId, extent: &Extent, index: usize) -> DamagedBlock {
    let block = block(extent, index);
    DamagedBlock {
        service: block.service,
        block: block.block,
        file,
        offset: extent.offset,
    }
}

fn spoil(cluster: &Cluster, extent: &Extent, index: usize) {
    let block = block(extent, index);
    let path = cluster.world.blocks.file(block.service, block.block);
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(b"rotten", 5000).unwrap();
}

/// Waits for so many reports; gives all there are.
async fn reports(cluster: &Cluster, count: usize) -> Vec<DamagedBlock> {
    let began = Instant::now();
    loop {
        let mut reports = cluster.world.blocks.reports.lock().unwrap().clone();
        if reports.len() >= count {
            reports.sort_unstable();
            return reports;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{reports:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn damaged_and_missing_blocks_are_reported_once_however_often_they_are_read() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let healthy = put(&client, InodeId::ROOT, "healthy", &noise(3 << 20, 6)).await;
    within(20, get(&client, healthy.inode)).await;
    assert_eq!(cluster.world.blocks.reports.lock().unwrap().len(), 0);
    // Not read before: what a disk has open stays readable when its name is gone.
    let (file, extent) = file(&client).await;
    spoil(&cluster, &extent, 0);
    let gone = block(&extent, 1);
    let path = cluster.world.blocks.file(gone.service, gone.block);
    std::fs::remove_file(path).unwrap();
    for _ in 0..5 {
        assert!(within(20, get(&client, file)).await == noise(3 << 20, 5));
    }
    let mut expected = vec![report(file, &extent, 0), report(file, &extent, 1)];
    expected.sort_unstable();
    assert_eq!(reports(&cluster, 2).await, expected);
    within(20, get(&client, file)).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(reports(&cluster, 2).await, expected);
}

#[tokio::test]
async fn a_report_that_was_refused_is_made_again_and_delays_no_read() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let (file, extent) = file(&client).await;
    spoil(&cluster, &extent, 2);
    cluster.world.blocks.deaf.store(true, Ordering::Relaxed);
    within(5, get(&client, file)).await;
    reports(&cluster, 1).await;
    within(5, get(&client, file)).await;
    assert_eq!(reports(&cluster, 1).await.len(), 1, "not at once");
    let began = Instant::now();
    while cluster.world.blocks.reports.lock().unwrap().len() < 2 {
        assert!(began.elapsed() < Duration::from_secs(60), "never again");
        tokio::time::sleep(Duration::from_millis(50)).await;
        within(5, get(&client, file)).await;
    }
    assert_eq!(
        reports(&cluster, 2).await,
        [report(file, &extent, 2), report(file, &extent, 2)]
    );
}

#[tokio::test]
async fn a_service_that_is_away_is_not_reported() {
    let mut cluster = Cluster::start();
    let client = cluster.client().await;
    let (file, _) = file(&client).await;
    cluster.kill(eggs_proto::ProcessRole::Blocks, 3).await;
    cluster.kill(eggs_proto::ProcessRole::Blocks, 4).await;
    within(20, get(&client, file)).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(reports(&cluster, 0).await, []);
}
