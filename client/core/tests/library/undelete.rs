//! Old versions: reading them and bringing them back.

use std::collections::BTreeSet;
use std::time::Duration;

use eggs_client::{Client, ClientError, FollowLast, Intent, TreeOptions};
use eggs_proto::shard::Replace;
use eggs_proto::{InodeId, Name, Policy, Refusal, StripePolicy, Time};

use crate::cluster::{Cluster, NEW, get, name, noise, put};
use crate::shards::now;

const ROOT: InodeId = InodeId::ROOT;

async fn remove_tree(client: &Client, parent: InodeId, tree: &Name) {
    let dir = client.lookup(parent, tree).await.unwrap().inode;
    for entry in client.list(dir, None, 100).await.unwrap().entries {
        if entry.dentry.inode.is_directory() {
            Box::pin(remove_tree(client, dir, &entry.name)).await;
        } else {
            client.unlink(dir, &entry.name, None).await.unwrap();
        }
    }
    client.remove_directory(parent, tree).await.unwrap();
}

/// The log time of the last change to a name.
async fn last_removed(client: &Client, path: &str) -> Time {
    let versions = client.versions(path).await.unwrap();
    versions.old.last().unwrap().removed
}

/// Waits until the clock, by which a change of any other shard is at least dated, is past a log time.
async fn clock_is_past(time: Time) {
    while now() <= time {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn every_version_of_a_file_can_be_read_and_brought_back() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let contents = [noise(100, 1), noise(20_000, 2), noise(300_000, 3)];
    let mut created = Vec::new();
    for content in &contents {
        created.push(put(&client, ROOT, "f", content).await.created);
    }
    let versions = client.versions("/f").await.unwrap();
    assert_eq!((versions.old.len(), versions.current.is_some()), (2, true));
    for (time, content) in created.iter().zip(&contents) {
        let versions = client.versions_at("/f", *time).await.unwrap();
        let inode = versions.at(*time).unwrap();
        assert!(get(&client, inode).await == *content);
    }
    assert_eq!(versions.at(Time(1)), None);
    let oldest = &versions.old[0];
    let (f, h) = (name("f"), name("h"));
    let taken = client.undelete(ROOT, oldest, &f, Replace::Never);
    let exists = ClientError::Refused(Refusal::Exists);
    assert_eq!(taken.await.unwrap_err(), exists);
    client
        .undelete(ROOT, oldest, &name("g"), Replace::Never)
        .await
        .unwrap();
    let found = client.resolve("/g", FollowLast::No).await.unwrap();
    assert!(get(&client, found.inode).await == contents[0]);
    let again = client.undelete(ROOT, oldest, &h, Replace::Never);
    let gone = ClientError::Refused(Refusal::NoSnapshot);
    assert_eq!(again.await.unwrap_err(), gone);
}

#[tokio::test]
async fn a_removed_tree_comes_back_whole() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let a = client.make_directory(ROOT, &name("a"), NEW).await.unwrap();
    let b = client.make_directory(a, &name("b"), NEW).await.unwrap();
    let policy = Policy::Stripe(StripePolicy {
        stripe_bytes: 65_536,
    });
    client.set_policy(b, policy.clone()).await.unwrap();
    put(&client, a, "early", b"early").await;
    client.unlink(a, &name("early"), None).await.unwrap();
    clock_is_past(last_removed(&client, "/a/early").await).await;
    for number in 0..40 {
        put(&client, b, &format!("f{number}"), &noise(number, 1)).await;
    }
    client.symlink(a, &name("s"), b"b/f1", NEW).await.unwrap();
    let deep = put(&client, b, "deep", &noise(50_000, 9)).await;
    // So many changes in a moment have set the clock of one shard ahead of the others'.
    clock_is_past(deep.created).await;
    remove_tree(&client, ROOT, &name("a")).await;
    assert!(client.resolve("/a", FollowLast::No).await.is_err());
    // Through what was removed, at a time and without one.
    let versions = client.versions("/a/b/deep").await.unwrap();
    assert_eq!(versions.newest_kept().unwrap().inode, deep.inode);
    let then = client.versions_at("/a/b/deep", deep.created).await.unwrap();
    assert_eq!(then.at(deep.created), Some(deep.inode));

    let early = last_removed(&client, "/a/early").await;
    let mut options = TreeOptions {
        deleted_after: Some(early.plus_ms(1)),
        intent: Intent::Plan,
    };
    let mut planned = BTreeSet::new();
    let plan = client.undelete_tree(ROOT, options, |one| {
        assert_eq!(one.outcome, Ok(()));
        assert!(planned.insert(one.path));
    });
    plan.await.unwrap();
    assert_eq!(planned.len(), 44);
    assert!(client.resolve("/a", FollowLast::No).await.is_err());
    options.intent = Intent::Do;
    let mut done = BTreeSet::new();
    let doing = client.undelete_tree(ROOT, options, |one| {
        assert_eq!(one.outcome, Ok(()), "{one:?}");
        done.insert(one.path);
    });
    doing.await.unwrap();
    assert_eq!(done, planned);
    let found = client.resolve("/a/b/deep", FollowLast::No).await.unwrap();
    assert_eq!(found.inode, deep.inode);
    assert!(get(&client, found.inode).await == noise(50_000, 9));
    let own = client.directory(b).await.unwrap();
    assert_eq!((own.policies, own.parent), (vec![policy], a));
    assert!(client.resolve("/a/s", FollowLast::Yes).await.is_ok());
    assert!(client.resolve("/a/early", FollowLast::No).await.is_err());
    // Nothing is left to come back but the early one.
    options.deleted_after = None;
    let mut rest = Vec::new();
    let again = client.undelete_tree(ROOT, options, |one| rest.push(one.path));
    again.await.unwrap();
    assert_eq!(rest, [b"a/early".to_vec()]);
}

#[tokio::test]
async fn what_is_in_the_way_is_reported_and_the_rest_comes_back() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let a = client.make_directory(ROOT, &name("a"), NEW).await.unwrap();
    put(&client, a, "x", b"old").await;
    put(&client, a, "y", b"old").await;
    remove_tree(&client, ROOT, &name("a")).await;
    let versions = client.versions("/a").await.unwrap();
    let old = versions.newest_kept().unwrap();
    client
        .undelete(ROOT, old, &name("b"), Replace::Never)
        .await
        .unwrap();
    put(&client, a, "x", b"new").await;
    let options = TreeOptions {
        deleted_after: None,
        intent: Intent::Do,
    };
    let mut told = Vec::new();
    let doing = client.undelete_tree(a, options, |one| told.push(one.path));
    doing.await.unwrap();
    assert_eq!(told, [b"y".to_vec()]);
    let x = client.resolve("/b/x", FollowLast::No).await.unwrap();
    assert_eq!(get(&client, x.inode).await, b"new");
    let c = name("c");
    let gone = client.undelete(ROOT, old, &c, Replace::Never);
    let refused = ClientError::Refused(Refusal::NoSnapshot);
    assert_eq!(gone.await.unwrap_err(), refused);
}
