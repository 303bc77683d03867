//! What is written is read.

use eggs_proto::{ExtentBody, InodeId, Policy};
use eggs_proto::{ExtentPolicy, ExtentRow, Scheme};

use crate::cluster::{Cluster, get, noise, put, within};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn files_of_every_size_come_back() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let sizes = [
        0,
        1,
        100,
        4096,
        4097,
        65_536,
        65_537,
        MIB,
        MIB + 1,
        5_000_000,
        20 * MIB,
        50_000_000,
    ];
    for size in sizes {
        let bytes = noise(size, size as u64);
        let file = format!("file-{size}");
        let linked = within(60, put(&client, InodeId::ROOT, &file, &bytes)).await;
        let attributes = client.stat(linked.inode).await.unwrap();
        assert_eq!(attributes.size, size as u64);
        let read = within(60, get(&client, linked.inode)).await;
        assert!(read == bytes, "file of {size} bytes");
    }
}

#[tokio::test]
async fn any_range_can_be_read_and_reads_end_at_the_end() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let bytes = noise(23 * MIB + 777, 5);
    let linked = put(&client, InodeId::ROOT, "f", &bytes).await;
    let reader = client.open(linked.inode).await.unwrap();
    let mut at = 1u64;
    for step in 0..200u64 {
        at = at
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(step)
            % (bytes.len() as u64 + 5000);
        let len = 1 + (at * 31 % 400_000) as usize;
        let part = reader.read_at(at, len).await.unwrap();
        let from = (at as usize).min(bytes.len());
        let to = (from + len).min(bytes.len());
        assert!(part[..] == bytes[from..to], "{at}+{len}");
    }
    let all = reader.read_at(0, usize::MAX).await.unwrap();
    assert!(all[..] == bytes[..]);
}

#[tokio::test]
async fn extents_follow_the_policy_of_the_directory() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let rows = vec![ExtentRow {
        extent_bytes_max: MIB as u64,
        scheme: Scheme { data: 2, parity: 1 },
    }];
    let policy = Policy::Extent(ExtentPolicy { rows });
    client.set_policy(InodeId::ROOT, policy).await.unwrap();
    let bytes = noise(3 * MIB + 10, 1);
    let linked = put(&client, InodeId::ROOT, "f", &bytes).await;
    let extents = client.extents(linked.inode).await.unwrap();
    assert_eq!(extents.len(), 4);
    for extent in &extents[..3] {
        let ExtentBody::Blocks { layout, .. } = &extent.body else {
            panic!("{extent:?}");
        };
        assert_eq!(layout.scheme, Scheme { data: 2, parity: 1 });
    }
    assert!(matches!(&extents[3].body, ExtentBody::Inline(tail) if tail.len() == 10));
    assert!(get(&client, linked.inode).await == bytes);
}

#[tokio::test]
async fn writers_share_little_memory_without_stopping_each_other() {
    let cluster = Cluster::start();
    let client = cluster
        .client_with(|config| config.writers_memory_bytes = 2 << 20)
        .await;
    let contents: Vec<Vec<u8>> = (0..4).map(|i| noise(6 * MIB, i)).collect();
    let writes = contents.iter().enumerate().map(|(i, bytes)| {
        let (client, file) = (client.clone(), format!("f{i}"));
        async move { put(&client, InodeId::ROOT, &file, bytes).await.inode }
    });
    let inodes = within(60, futures::future::join_all(writes)).await;
    for (inode, bytes) in inodes.into_iter().zip(&contents) {
        assert!(get(&client, inode).await == *bytes);
    }
}
