//! Files while they are being written.

use std::time::Duration;

use eggs_client::{Client, ClientError, ClosedReason};
use eggs_proto::shard::{Replace, ShardQuery, ShardReply, TransientInfo};
use eggs_proto::{AttributeChange, ExtentBody, InodeId, ProcessRole, Refusal, ShardId};

use crate::cluster::{Cluster, NEW, get, name, noise, put, within};

const ROOT: InodeId = InodeId::ROOT;
const MIB: usize = 1 << 20;

async fn transients(client: &Client) -> Vec<TransientInfo> {
    let query = ShardQuery::VisitTransients {
        after: None,
        limit: 100,
    };
    match client.shard_query(ShardId(0), query).await.unwrap() {
        ShardReply::Transients {
            transients, now, ..
        } => transients
            .into_iter()
            .filter(|info| info.deadline > now)
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_written_can_be_read_before_it_is_linked() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let bytes = noise(45 * MIB, 9);
    let mut writer = client.create(ROOT, NEW, "f");
    let reserved = writer.reserve().await.unwrap();
    for part in bytes.chunks(700_001) {
        writer.write(part).await.unwrap();
    }
    assert_eq!(writer.len(), bytes.len() as u64);
    for (offset, len) in [
        (0, 100),
        (39 * MIB, 3 * MIB),
        (44 * MIB, 5 * MIB),
        (20 * MIB - 5, 10),
    ] {
        let part = writer.read_at(offset as u64, len).await.unwrap();
        let end = (offset + len).min(bytes.len());
        assert!(part[..] == bytes[offset..end], "{offset}+{len}");
    }
    assert!(
        client
            .lookup(ROOT, &name("f"))
            .await
            .unwrap_err()
            .is_not_found()
    );
    let linked = writer
        .link(&name("f"), Replace::Never, AttributeChange::default())
        .await
        .unwrap();
    assert_eq!(linked.inode, reserved);
    assert!(get(&client, linked.inode).await == bytes);
    let closed = ClientError::Closed(ClosedReason::Linked);
    assert_eq!(writer.write(b"x").await.unwrap_err(), closed);
}

#[tokio::test]
async fn sync_waits_for_extents_that_are_full_and_tells_of_their_failure() {
    let mut cluster = Cluster::start();
    let client = cluster.client().await;
    let late = Duration::from_millis(700);
    {
        let mut delays = cluster.world.blocks.delays.lock().unwrap();
        delays.extend(
            cluster
                .world
                .blocks
                .disks
                .keys()
                .map(|service| (*service, late)),
        );
    }
    let mut writer = client.create(ROOT, NEW, "f");
    writer.sync().await.unwrap();
    let bytes = noise(21 * MIB, 3);
    writer.write(&bytes).await.unwrap();
    let began = std::time::Instant::now();
    writer.sync().await.unwrap();
    assert!(began.elapsed() >= late / 2, "it did not wait");
    cluster.world.blocks.delays.lock().unwrap().clear();
    let files = cluster.world.blocks.count();
    assert_eq!(files, 14, "the extent is stored, the rest is not");
    writer.sync().await.unwrap();
    assert_eq!(cluster.world.blocks.count(), files);
    for domain in 0..16 {
        cluster.kill(ProcessRole::Blocks, domain).await;
    }
    writer.write(&bytes).await.unwrap();
    let failed = within(60, writer.sync()).await;
    assert!(failed.is_err(), "{failed:?}");
    let change = AttributeChange::default();
    assert!(
        writer
            .link(&name("f"), Replace::Never, change)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn holes_take_no_space() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let mut writer = client.create(ROOT, NEW, "f");
    let mut expected = noise(10_000, 1);
    writer.write(&expected).await.unwrap();
    writer.hole(3_000_000).await.unwrap();
    expected.resize(3_010_000, 0);
    writer.hole(100).await.unwrap();
    expected.resize(3_010_100, 0);
    let end = noise(70_000, 2);
    writer.write(&end).await.unwrap();
    expected.extend(&end);
    let linked = writer
        .link(&name("f"), Replace::Never, AttributeChange::default())
        .await
        .unwrap();
    assert!(get(&client, linked.inode).await == expected);
    let extents = client.extents(linked.inode).await.unwrap();
    assert!(extents.iter().all(|extent| extent.offset % 4096 == 0));
    let holes = extents
        .iter()
        .filter(|extent| extent.body == ExtentBody::Hole);
    assert!(holes.map(|hole| hole.size).sum::<u64>() > 2_900_000);
    let zeros = put(&client, ROOT, "zeros", &vec![0; 5 * MIB]).await;
    assert_eq!(client.stat(zeros.inode).await.unwrap().physical_bytes, 0);
}

#[tokio::test]
async fn a_writer_that_goes_leaves_nothing() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let mut scrapped = client.create(ROOT, NEW, "scrapped");
    scrapped.write(&noise(100_000, 1)).await.unwrap();
    scrapped.reserve().await.unwrap();
    let mut dropped = client.create(ROOT, NEW, "dropped");
    dropped.reserve().await.unwrap();
    let unused = client.create(ROOT, NEW, "unused");
    assert_eq!(
        transients(&client).await.len(),
        3,
        "a writer without a request has no file; one is on the shelf, because the second batch had two"
    );
    drop(unused);
    scrapped.scrap().await.unwrap();
    assert_eq!(transients(&client).await.len(), 2);
    drop(dropped);
    for _ in 0..200 {
        if transients(&client).await.len() == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the dropped writer's file is still there");
}

#[tokio::test]
async fn a_refused_link_can_be_tried_by_another_name_and_replacing_is_atomic() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    put(&client, ROOT, "taken", b"old").await;
    for size in [10, 100_000] {
        let bytes = noise(size, 1);
        let mut writer = client.create(ROOT, NEW, "f");
        writer.write(&bytes).await.unwrap();
        let change = AttributeChange::default();
        let refused = writer.link(&name("taken"), Replace::Never, change).await;
        assert_eq!(refused.unwrap_err(), ClientError::Refused(Refusal::Exists));
        let other = name(&format!("free{size}"));
        let linked = writer.link(&other, Replace::Never, change).await.unwrap();
        assert!(get(&client, linked.inode).await == bytes);
    }
    let new = put(&client, ROOT, "taken", b"new").await;
    assert_eq!(
        client.lookup(ROOT, &name("taken")).await.unwrap().inode,
        new.inode
    );
}
