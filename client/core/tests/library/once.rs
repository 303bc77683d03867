//! Lost answers: everything happens exactly once.

use std::sync::atomic::Ordering;

use eggs_client::{ClientError, RenameEntry};
use eggs_proto::cdc::EntryName;
use eggs_proto::shard::Replace;
use eggs_proto::{InodeId, Refusal};

use crate::cluster::{Cluster, NEW, get, name, noise, put};

#[tokio::test]
async fn a_lost_answer_is_got_again() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    cluster.world.lose_one_in.store(2, Ordering::Relaxed);
    let root = InodeId::ROOT;
    for i in 0..20 {
        let (a, b) = (name(&format!("a{i}")), name(&format!("b{i}")));
        let bytes = noise(2_000_000, i);
        let linked = put(&client, root, &a.to_string(), &bytes).await;
        let entry = |name: &eggs_proto::Name| EntryName {
            dir: root,
            name: name.clone(),
        };
        let (source, target) = (entry(&a), entry(&b));
        client
            .rename(RenameEntry { source, target }, Replace::Never)
            .await
            .unwrap();
        assert_eq!(client.lookup(root, &b).await.unwrap().inode, linked.inode);
        assert!(get(&client, linked.inode).await == bytes);
        client.unlink(root, &b, Some(linked.inode)).await.unwrap();
        let dir = name(&format!("d{i}"));
        client.make_directory(root, &dir, NEW).await.unwrap();
        client.symlink(root, &a, b"target", NEW).await.unwrap();
        let again = client.symlink(root, &a, b"target", NEW).await.unwrap_err();
        assert_eq!(again, ClientError::Refused(Refusal::Exists));
        client.remove_directory(root, &dir).await.unwrap();
    }
    let snapshots = client.snapshots(root, None, 4096).await.unwrap();
    let owned = snapshots.snapshots.iter().filter(|snapshot| snapshot.owned);
    assert_eq!(owned.count(), 40, "one for each unlink and each rmdir");
}
