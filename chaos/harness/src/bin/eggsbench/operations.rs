//! What the clients of a metadata measurement do.

use anyhow::{Context, Result};
use eggs_client::{Client, RenameEntry};
use eggs_proto::cdc::EntryName;
use eggs_proto::shard::Replace;
use eggs_proto::{AttributeChange, InodeId, Name, NewAttributes};
use futures::future::try_join_all;

/// Of everything that is made.
pub const ATTRIBUTES: NewAttributes = NewAttributes {
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: None,
    atime: None,
};

pub fn name(text: impl Into<String>) -> Result<Name> {
    Name::new(text.into()).context("make a name")
}

/// A directory in another.
pub async fn make_directory(client: &Client, parent: InodeId, name: &Name) -> Result<InodeId> {
    let attributes = NewAttributes {
        mode: 0o755,
        ..ATTRIBUTES
    };
    client
        .make_directory(parent, name, attributes)
        .await
        .context("make a directory")
}

/// So many directories in the root, named after the prefix.
pub async fn make_directories(client: &Client, prefix: &str, count: usize) -> Result<Vec<InodeId>> {
    let make = |n: usize| async move {
        let name = name(format!("{prefix}-{n}"))?;
        make_directory(client, InodeId::ROOT, &name).await
    };
    let mut made = Vec::with_capacity(count);
    for first in (0..count).step_by(64) {
        made.extend(try_join_all((first..count.min(first + 64)).map(make)).await?);
    }
    Ok(made)
}

/// A file of 100 bytes.
pub async fn create(client: &Client, dir: InodeId, name: &Name) -> Result<()> {
    let mut writer = client.create(dir, ATTRIBUTES, "bench");
    writer.write(&[7; 100]).await.context("write")?;
    writer
        .link(name, Replace::Never, AttributeChange::default())
        .await
        .context("link")
        .map(drop)
}

pub async fn stat(client: &Client, dir: InodeId) -> Result<()> {
    client.stat(dir).await.context("stat").map(drop)
}

pub async fn lookup(client: &Client, dir: InodeId, name: &Name) -> Result<()> {
    client.lookup(dir, name).await.context("look up").map(drop)
}

/// Moves one name between two directories.
pub async fn rename(client: &Client, from: InodeId, to: InodeId, name: &Name) -> Result<()> {
    let entry = RenameEntry {
        source: EntryName {
            dir: from,
            name: name.clone(),
        },
        target: EntryName {
            dir: to,
            name: name.clone(),
        },
    };
    client.rename(entry, Replace::Never).await.context("rename")
}
