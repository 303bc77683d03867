//! What common things cost: the requests that the shards see.

use std::sync::atomic::Ordering;

use eggs_client::{Client, FollowLast};
use eggs_proto::shard::Replace;
use eggs_proto::{AttributeChange, InodeId};

use crate::cluster::{Cluster, NEW, get, name, noise, put};

const ROOT: InodeId = InodeId::ROOT;

/// Asks for the policies, which a client knows once it has written into a directory.
async fn warm(cluster: &Cluster, client: &Client) {
    client.policies(ROOT).await.unwrap();
    cluster.asked();
}

#[tokio::test]
async fn a_small_file_is_one_request_or_two() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    warm(&cluster, &client).await;
    put(&client, ROOT, "inline", &noise(4000, 1)).await;
    assert_eq!(cluster.asked(), ["CreateFile"]);
    let linked = put(&client, ROOT, "blocks", &noise(10 << 10, 2)).await;
    assert_eq!(cluster.asked(), ["CreateWithExtent", "CertifyAndLink"]);
    assert!(get(&client, linked.inode).await == noise(10 << 10, 2));
    cluster.asked();
    put(&client, ROOT, "empty", b"").await;
    assert_eq!(cluster.asked(), ["CreateFile"]);
}

#[tokio::test]
async fn inodes_chosen_ahead_cost_a_request_for_a_batch() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    warm(&cluster, &client).await;
    let mut asked = Vec::new();
    for number in 0..7 {
        let mut writer = client.create(ROOT, NEW, "reserved");
        let inode = writer.reserve().await.unwrap();
        let bytes = noise(if number == 6 { 10 << 10 } else { 100 * number }, 4);
        writer.write(&bytes).await.unwrap();
        let entry = name(&format!("r{number}"));
        let linked = writer.link(&entry, Replace::Never, AttributeChange::default());
        assert_eq!(linked.await.unwrap().inode, inode);
        asked.extend(cluster.asked());
        let attributes = client.stat(inode).await.unwrap();
        assert_eq!((attributes.mode, attributes.uid), (NEW.mode, NEW.uid));
        assert!(get(&client, inode).await == bytes);
        cluster.asked();
    }
    asked.retain(|kind| kind != "Directory"); // the policies are asked for again after a second
    let mut expected = Vec::new();
    for batch in [1, 2, 3] {
        expected.push("Reserve");
        expected.extend(["CreateReserved"].repeat(batch));
    }
    expected.extend(["AddExtent", "CertifyAndLink"]);
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn a_stream_is_one_request_for_each_extent_and_one_more() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let bytes = noise(90 << 20, 3); // five extents of at most 20 MiB
    warm(&cluster, &client).await;
    let linked = put(&client, ROOT, "stream", &bytes).await;
    let mut asked = cluster.asked();
    asked.retain(|kind| kind != "Directory"); // the policies are asked for again after a second
    let mut expected = vec!["CreateWithExtent"];
    expected.extend(["AddExtent"; 4]);
    expected.push("CertifyAndLink");
    assert_eq!(asked, expected);
    assert_eq!(client.extents(linked.inode).await.unwrap().len(), 5);
    assert!(get(&client, linked.inode).await == bytes);
}

#[tokio::test]
async fn lost_answers_cost_requests_but_nothing_else() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    cluster.world.lose_one_in.store(2, Ordering::Relaxed);
    for number in 0..10 {
        let bytes = noise(10 << 10, number);
        let linked = put(&client, ROOT, &format!("f{number}"), &bytes).await;
        assert!(get(&client, linked.inode).await == bytes);
    }
    let page = client.list(ROOT, None, 100).await.unwrap();
    assert_eq!(page.entries.len(), 10);
}

#[tokio::test]
async fn reading_back_certifies_and_the_link_shows_the_rest() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let bytes = noise(45 << 20, 4); // two whole extents and a part
    warm(&cluster, &client).await;
    let mut writer = client.create(ROOT, NEW, "f");
    for part in bytes.chunks(1 << 20) {
        writer.write(part).await.unwrap();
    }
    let part = writer.read_at(30 << 20, 100).await.unwrap();
    assert!(part[..] == bytes[30 << 20..(30 << 20) + 100]);
    let taken = put(&client, ROOT, "taken", b"x").await;
    cluster.asked();
    let change = AttributeChange::default();
    for (text, accepted) in [("taken", false), ("free", true)] {
        let linked = writer.link(&name(text), Replace::Never, change).await;
        assert_eq!(linked.is_ok(), accepted);
    }
    let expected = ["AddExtent", "CertifyAndLink", "CertifyAndLink"];
    assert_eq!(cluster.asked(), expected);
    let found = client.lookup(ROOT, &name("free")).await.unwrap();
    assert!(get(&client, found.inode).await == bytes);
    let found = client.lookup(ROOT, &name("taken")).await.unwrap();
    assert_eq!(found.inode, taken.inode);
}

#[tokio::test]
async fn a_path_is_one_request_for_each_shard_on_its_way() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let a = client.make_directory(ROOT, &name("a"), NEW).await.unwrap();
    let b = client.make_directory(a, &name("b"), NEW).await.unwrap();
    put(&client, b, "f", b"x").await;
    client.symlink(b, &name("s"), b"f", NEW).await.unwrap();
    let shards = [ROOT, a, b].map(InodeId::shard);
    let distinct = 1 + usize::from(shards[0] != shards[1]) + usize::from(shards[1] != shards[2]);
    cluster.asked();
    client.resolve("/a/b/f", FollowLast::Yes).await.unwrap();
    assert_eq!(cluster.asked(), vec!["Walk"; distinct]);
    client.resolve("/a/b/s", FollowLast::Yes).await.unwrap();
    let mut expected = vec!["Walk"; distinct];
    expected.extend(["ReadLink", "Walk"]);
    assert_eq!(cluster.asked(), expected);
}
