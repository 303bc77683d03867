//! The name space.

use std::collections::BTreeMap;

use eggs_client::{ClientError, FollowLast, RenameEntry};
use eggs_proto::cdc::EntryName;
use eggs_proto::shard::Replace;
use eggs_proto::{
    AttributeChange, InlinePolicy, InodeId, Policy, PolicyKind, Refusal, SnapshotPolicy,
    StripePolicy, Xattr, XattrMode, XattrName,
};

use crate::cluster::{Cluster, NEW, name, noise, put};

const ROOT: InodeId = InodeId::ROOT;

#[tokio::test]
async fn paths_lead_through_directories_and_symlinks() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let a = client.make_directory(ROOT, &name("a"), NEW).await.unwrap();
    let b = client.make_directory(a, &name("b"), NEW).await.unwrap();
    let file = put(&client, b, "f", b"x").await.inode;
    client
        .symlink(ROOT, &name("absolute"), b"/a/b", NEW)
        .await
        .unwrap();
    let relative = client
        .symlink(b, &name("relative"), b"../b/f", NEW)
        .await
        .unwrap();
    client
        .symlink(ROOT, &name("loop"), b"loop", NEW)
        .await
        .unwrap();
    let yes = FollowLast::Yes;
    for path in [
        "/a/b/f",
        "a//b/./f",
        "/absolute/f",
        "/absolute/relative",
        "/a/../a/b/../b/f",
    ] {
        let found = client.resolve(path, yes).await.unwrap();
        assert_eq!(
            (found.inode, found.attributes.inode),
            (file, file),
            "{path}"
        );
    }
    let link = client
        .resolve("/a/b/relative", FollowLast::No)
        .await
        .unwrap();
    assert_eq!(
        (link.inode, link.parent, link.name),
        (relative, b, Some(name("relative")))
    );
    let root = client.resolve("/", yes).await.unwrap();
    assert_eq!((root.inode, root.parent, root.name), (ROOT, ROOT, None));
    let errors = [
        ("/loop/x", ClientError::TooManyLinks),
        ("/a/b/f/", Refusal::NotDirectory.into()),
        ("/a/b/f/x", Refusal::NotDirectory.into()),
        ("/a/none/x", Refusal::NotFound.into()),
    ];
    for (path, error) in errors {
        assert_eq!(
            client.resolve(path, yes).await.unwrap_err(),
            error,
            "{path}"
        );
    }
    let new = client.parent_of("/absolute/new/").await.unwrap();
    assert_eq!(
        (new.dir, new.name, new.must_be_directory),
        (b, name("new"), true)
    );
    assert!(client.parent_of("/").await.is_err());
}

#[tokio::test]
async fn renames_go_to_a_shard_or_to_the_coordinator() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let dir = client.make_directory(ROOT, &name("d"), NEW).await.unwrap();
    let file = put(&client, ROOT, "f", b"x").await.inode;
    let entry = |dir, text| EntryName {
        dir,
        name: name(text),
    };
    let moves = [
        (entry(ROOT, "f"), entry(ROOT, "g")),
        (entry(ROOT, "g"), entry(dir, "h")),
    ];
    for (source, target) in moves {
        let (old, new) = (source.clone(), target.clone());
        client
            .rename(RenameEntry { source, target }, Replace::Files)
            .await
            .unwrap();
        let gone = client.lookup(old.dir, &old.name).await.unwrap_err();
        assert!(gone.is_not_found());
        let dentry = client.lookup(new.dir, &new.name).await.unwrap();
        assert_eq!(dentry.inode, file);
        assert_eq!(
            dentry.attributes.unwrap().size,
            1,
            "also of an inode of another shard"
        );
    }
}

#[tokio::test]
async fn listings_come_in_pages_with_all_attributes() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    for i in 0..50 {
        put(&client, ROOT, &format!("f{i}"), &vec![1; i]).await;
        client
            .make_directory(ROOT, &name(&format!("d{i}")), NEW)
            .await
            .unwrap();
    }
    let (mut after, mut names) = (None, Vec::new());
    loop {
        let page = client.list_with_attributes(ROOT, after, 7).await.unwrap();
        after = page.cursor();
        for entry in page.entries {
            let attributes = entry.dentry.attributes.expect("always there");
            assert_eq!(attributes.inode, entry.dentry.inode);
            names.push(entry.name);
        }
        if !page.more {
            break;
        }
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 100);
    let statistics = client.statistics().await.unwrap();
    assert_eq!((statistics.files, statistics.directories), (50, 51));
    assert_eq!(statistics.classes.len(), 2);
}

#[tokio::test]
async fn policies_are_inherited_and_attributes_change() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let a = client.make_directory(ROOT, &name("a"), NEW).await.unwrap();
    let b = client.make_directory(a, &name("b"), NEW).await.unwrap();
    let policy = SnapshotPolicy {
        keep_ms: Some(5),
        keep_versions: Some(2),
    };
    client
        .set_policy(a, Policy::Snapshot(policy))
        .await
        .unwrap();
    assert_eq!(client.policies(b).await.unwrap().snapshot, policy);
    assert_ne!(client.policies(ROOT).await.unwrap().snapshot, policy);
    let kind = PolicyKind::Snapshot;
    let from_a = BTreeMap::from([(kind, a)]);
    assert_eq!(client.policy_origins(b).await.unwrap(), from_a);
    // A directory that moves inherits from where it is now; what is set on itself moves along.
    let c = client.make_directory(ROOT, &name("c"), NEW).await.unwrap();
    let (from_c, inline) = (
        InlinePolicy {
            inline_bytes_max: 7,
        },
        PolicyKind::Inline,
    );
    client.set_policy(c, Policy::Inline(from_c)).await.unwrap();
    let entry = |(dir, text): (InodeId, &str)| EntryName {
        dir,
        name: name(text),
    };
    let rename = |source: (InodeId, &str), target: (InodeId, &str)| RenameEntry {
        source: entry(source),
        target: entry(target),
    };
    let never = Replace::Never;
    client
        .rename(rename((a, "b"), (c, "b")), never)
        .await
        .unwrap();
    let other = cluster.client().await; // remembers nothing
    assert_eq!(other.policies(b).await.unwrap().inline, from_c);
    assert_ne!(other.policies(b).await.unwrap().snapshot, policy);
    assert_eq!(
        other.policy_origins(b).await.unwrap(),
        BTreeMap::from([(inline, c)])
    );
    client
        .rename(rename((ROOT, "a"), (c, "a")), never)
        .await
        .unwrap();
    let other = cluster.client().await;
    let both = BTreeMap::from([(kind, a), (inline, c)]);
    assert_eq!(other.policy_origins(a).await.unwrap(), both);
    client
        .rename(rename((c, "a"), (ROOT, "a")), never)
        .await
        .unwrap();
    client
        .rename(rename((c, "b"), (a, "b")), never)
        .await
        .unwrap();
    let bad = StripePolicy { stripe_bytes: 1 };
    let refused = client.set_policy(a, Policy::Stripe(bad)).await;
    assert!(refused.is_err() && other.policy_origins(a).await.unwrap().len() == 2);
    let client = cluster.client().await;
    client.clear_policy(a, PolicyKind::Snapshot).await.unwrap();
    assert_ne!(client.policies(b).await.unwrap().snapshot, policy);
    let change = AttributeChange {
        mode: Some(0o700),
        ..AttributeChange::default()
    };
    assert_eq!(client.set_attributes(b, change).await.unwrap().mode, 0o700);
    assert_eq!(
        client
            .lookup(a, &name("b"))
            .await
            .unwrap()
            .attributes
            .unwrap()
            .mode,
        0o700
    );
}

#[tokio::test]
async fn extended_attributes_belong_to_the_inode() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let xattr = |text: &str, value: &[u8]| Xattr {
        name: XattrName::new(text).unwrap(),
        value: value.to_vec(),
    };
    let dir = client.make_directory(ROOT, &name("d"), NEW).await.unwrap();
    let mut writer = client.create(ROOT, NEW, "f");
    writer.write(&noise(20_000, 1)).await.unwrap();
    writer.set_xattr(xattr("user.early", b"1")).await.unwrap();
    let linked = writer
        .link(&name("f"), Replace::Never, AttributeChange::default())
        .await
        .unwrap();
    for inode in [dir, linked.inode] {
        let (any, create) = (XattrMode::Set, XattrMode::Create);
        client
            .set_xattr(inode, xattr("user.a", b"2"), any)
            .await
            .unwrap();
        let again = client.set_xattr(inode, xattr("user.a", b"3"), create).await;
        assert_eq!(again.unwrap_err(), ClientError::Refused(Refusal::Exists));
    }
    let all = client.xattrs(linked.inode).await.unwrap();
    assert_eq!(all, [xattr("user.a", b"2"), xattr("user.early", b"1")]);
    let early = XattrName::new("user.early").unwrap();
    assert_eq!(client.xattr(linked.inode, &early).await.unwrap(), b"1");
    client.remove_xattr(linked.inode, &early).await.unwrap();
    let gone = client.xattr(linked.inode, &early).await.unwrap_err();
    assert_eq!(gone, ClientError::Refused(Refusal::NoAttribute));
    assert_eq!(gone.errno(), 61);
    // A file that is deleted and comes back has them still.
    client.unlink(ROOT, &name("f"), None).await.unwrap();
    let versions = client.versions("/f").await.unwrap();
    let (old, f) = (versions.newest_kept().unwrap(), name("f"));
    client
        .undelete(ROOT, old, &f, Replace::Never)
        .await
        .unwrap();
    let all = client.xattrs(linked.inode).await.unwrap();
    assert_eq!(all, [xattr("user.a", b"2")]);
}

#[tokio::test]
async fn names_change_places_across_directories() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let d = client.make_directory(ROOT, &name("d"), NEW).await.unwrap();
    let e = client.make_directory(d, &name("e"), NEW).await.unwrap();
    let f = put(&client, ROOT, "f", b"x").await.inode;
    let entry = |dir, text| EntryName {
        dir,
        name: name(text),
    };
    let pair = RenameEntry {
        source: entry(ROOT, "f"),
        target: entry(d, "e"),
    };
    client
        .rename(pair.clone(), Replace::Exchange)
        .await
        .unwrap();
    let (at_f, at_e) = ("/f", "/d/e");
    let of = |path| client.resolve(path, FollowLast::No);
    assert_eq!(of(at_f).await.unwrap().inode, e);
    assert_eq!(of(at_e).await.unwrap().inode, f);
    assert_eq!(client.directory(e).await.unwrap().parent, ROOT);
    client.rename(pair, Replace::Exchange).await.unwrap();
    assert_eq!(of(at_e).await.unwrap().inode, e);
}
