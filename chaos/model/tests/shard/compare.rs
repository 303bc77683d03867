//! What can be seen of the shard must be what the model holds.

use std::collections::BTreeMap;

use eggs_model::{File, Mode, Model, OldVersion, Piece};
use eggs_proto::shard::{DirectoryCursor, ShardQuery, ShardReply, Snapshot};
use eggs_proto::{Attributes, Extent, ExtentBody, InodeId, Name, Refusal};

use crate::cluster::Cluster;
use crate::run::NEW;

pub fn compare(cluster: &Cluster, model: &Model) {
    for (id, directory) in &model.directories {
        assert_eq!(list(cluster, *id), directory.entries, "entries of {id}");
        let mut old = directory.old.clone();
        old.sort();
        assert_eq!(old_versions(cluster, *id), old, "old versions in {id}");
        match cluster.query(&ShardQuery::Directory { dir: *id }) {
            Ok(ShardReply::Directory(info)) => {
                assert_eq!(info.removed, directory.removed);
                assert_eq!(info.attributes.size, directory.entries.len() as u64);
                assert_eq!(info.snapshots, directory.old.len() as u64);
                let policies = info.policies.into_iter();
                let found: BTreeMap<_, _> =
                    policies.map(|policy| (policy.kind(), policy)).collect();
                let expected = model.policies.get(id).cloned().unwrap_or_default();
                assert_eq!(found, expected, "policies of {id}");
                compare_mode(&info.attributes, model, *id);
            }
            other => panic!("{other:?}"),
        }
        for (name, inode) in &directory.entries {
            let name = name.clone();
            match cluster.query(&ShardQuery::Lookup { dir: *id, name }) {
                Ok(ShardReply::Dentry(dentry)) => assert_eq!(dentry.inode, *inode),
                other => panic!("{other:?}"),
            }
        }
    }
    for (id, file) in &model.files {
        compare_file(cluster, *id, file);
        compare_mode(&stat(cluster, *id), model, *id);
    }
    for inode in model.directories.keys().chain(model.files.keys()) {
        let answer = cluster.query(&ShardQuery::ListXattrs { inode: *inode });
        let Ok(ShardReply::Xattrs(all)) = answer else {
            panic!("{answer:?}");
        };
        let found: BTreeMap<_, _> = all.into_iter().map(|one| (one.name, one.value)).collect();
        let expected = model.xattrs.get(inode).cloned().unwrap_or_default();
        assert_eq!(found, expected, "extended attributes of {inode}");
    }
    let usage = cluster.usage();
    let transient = |file: &&File| matches!(file, File::Transient { .. });
    let transients = model.files.values().filter(transient).count() as u64;
    assert_eq!(usage.directories, model.directories.len() as u64);
    assert_eq!(usage.transients, transients);
    assert_eq!(usage.files, model.files.len() as u64 - transients);
}

/// The totals of all directories, when nothing is left to be reported.
pub fn compare_totals(cluster: &Cluster, model: &Model) {
    let on_disks = |inode: InodeId| match inode.is_directory() {
        true => 0,
        false => u128::from(stat(cluster, inode).physical_bytes),
    };
    for dir in model.directories.keys() {
        let found = cluster.query(&ShardQuery::Tree { dir: *dir });
        let expected = model.totals(*dir, &on_disks);
        assert_eq!(found, Ok(ShardReply::Tree(expected)), "below {dir}");
    }
}

fn stat(cluster: &Cluster, inode: InodeId) -> Attributes {
    match cluster.query(&ShardQuery::Stat { inode }) {
        Ok(ShardReply::Attributes(attributes)) => attributes,
        other => panic!("{other:?}"),
    }
}

fn compare_mode(found: &Attributes, model: &Model, inode: InodeId) {
    let made = Mode {
        mode: NEW.mode,
        uid: NEW.uid,
        gid: NEW.gid,
    };
    let expected = model.modes.get(&inode).copied().unwrap_or(made);
    let Attributes { mode, uid, gid, .. } = *found;
    assert_eq!(Mode { mode, uid, gid }, expected, "mode of {inode}");
}

fn compare_file(cluster: &Cluster, inode: InodeId, file: &File) {
    assert_eq!(stat(cluster, inode).size, file.size());
    match file {
        File::Transient { content, .. } | File::Linked(content) => {
            assert_eq!(pieces(cluster, inode), *content);
        }
        File::Symlink(target) => {
            let read = cluster.query(&ShardQuery::ReadLink { inode });
            assert_eq!(read, Ok(ShardReply::Target(target.clone())));
        }
    }
}

/// All entries, in pages of two.
fn list(cluster: &Cluster, dir: InodeId) -> BTreeMap<Name, InodeId> {
    let mut entries = BTreeMap::new();
    let mut after = None;
    loop {
        let limit = 2;
        let answer = cluster.query(&ShardQuery::List { dir, after, limit });
        let Ok(ShardReply::Listing {
            entries: page,
            more,
        }) = answer
        else {
            panic!("{answer:?}");
        };
        after = page.last().map(|entry| DirectoryCursor {
            hash: entry.hash,
            name: Some(entry.name.clone()),
        });
        entries.extend(
            page.into_iter()
                .map(|entry| (entry.name, entry.dentry.inode)),
        );
        if !more {
            return entries;
        }
    }
}

pub fn snapshots(cluster: &Cluster, dir: InodeId) -> Result<Vec<Snapshot>, Refusal> {
    let query = ShardQuery::Snapshots {
        dir,
        after: None,
        limit: 4096,
    };
    match cluster.query(&query)? {
        ShardReply::Snapshots { snapshots, .. } => Ok(snapshots),
        other => panic!("{other:?}"),
    }
}

fn old_versions(cluster: &Cluster, dir: InodeId) -> Vec<OldVersion> {
    let old = |snapshot: Snapshot| OldVersion {
        name: snapshot.key.name,
        inode: snapshot.inode,
        owned: snapshot.owned,
    };
    let snapshots = snapshots(cluster, dir).unwrap().into_iter();
    let mut versions: Vec<_> = snapshots.map(old).collect();
    versions.sort();
    versions
}

pub fn extents(cluster: &Cluster, file: InodeId) -> Vec<Extent> {
    let query = ShardQuery::Extents {
        file,
        offset: 0,
        limit: 4096,
        cookie: None,
    };
    match cluster.query(&query) {
        Ok(ShardReply::Extents { extents, .. }) => extents,
        other => panic!("{other:?}"),
    }
}

fn pieces(cluster: &Cluster, file: InodeId) -> Vec<Piece> {
    let piece = |extent: Extent| match extent.body {
        ExtentBody::Inline(bytes) => Piece::Bytes(bytes),
        ExtentBody::Hole => Piece::Zeros(extent.size),
        ExtentBody::Blocks { blocks, .. } => Piece::Blocks {
            size: extent.size,
            checksums: blocks.iter().map(|block| block.checksum).collect(),
        },
    };
    extents(cluster, file).into_iter().map(piece).collect()
}
