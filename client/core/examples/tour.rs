//! What a program does with the library: `cargo run -p eggs-client --example tour -- 127.0.0.1:10001`
//!
//! The same function runs in the tests of the library.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use eggs_client::{Client, ClientConfig, ClientError, FollowLast, RenameEntry, credentials};
use eggs_proto::cdc::EntryName;
use eggs_proto::shard::Replace;
use eggs_proto::{AttributeChange, InodeId, Name, NewAttributes, Refusal};
use eggs_rpc::{Credentials, PeerRole};
use futures::TryStreamExt as _;

/// Owner and permissions of what is made here.
const fn attributes(mode: u32) -> NewAttributes {
    NewAttributes {
        mode,
        uid: 1000,
        gid: 1000,
        mtime: None,
        atime: None,
    }
}

/// Makes a directory with a file, reads it in several ways, renames it, and removes all of it.
pub async fn tour(client: &Client) -> Result<(), Box<dyn Error>> {
    // A directory: it goes through the coordinator.
    let dir = client
        .make_directory(InodeId::ROOT, &Name::new(b"tour")?, attributes(0o755))
        .await?;

    // A file: bytes are appended, and nobody sees it before it is linked, whole.
    let mut writer = client.create(dir, attributes(0o644), "numbers");
    for number in 0..200_000_u32 {
        writer.write(&number.to_le_bytes()).await?;
    }
    let name = Name::new(b"numbers")?;
    let linked = writer
        .link(&name, Replace::Never, AttributeChange::default())
        .await?;

    // By path, and any part of it. Content never changes, so a reader may be shared and kept.
    let found = client.resolve("/tour/numbers", FollowLast::Yes).await?;
    assert_eq!(found.inode, linked.inode);
    let reader = client.open(found.inode).await?;
    let part = reader.read_at(4 * 100_000, 4).await?;
    assert_eq!(part[..], 100_000_u32.to_le_bytes());

    // From one end to the other.
    let mut bytes = 0;
    let mut pieces = Box::pin(reader.stream(0..reader.size()));
    while let Some(piece) = pieces.try_next().await? {
        bytes += piece.len() as u64;
    }
    assert_eq!(bytes, reader.size());

    // What is in a directory, page by page, and what is below it.
    let page = client.list_with_attributes(dir, None, 1000).await?;
    assert_eq!(page.entries.len(), 1);
    let mut walk = client.walk_tree(InodeId::ROOT);
    let mut paths = Vec::new();
    while let Some(entry) = walk.next().await? {
        paths.push(String::from_utf8_lossy(&entry.path).into_owned());
    }
    assert!(paths.contains(&"tour/numbers".to_owned()), "{paths:?}");

    // A call that is given less time than the others, and one that is given up: whatever is under way then happens or not.
    let hasty = client.with_timeout(Duration::from_secs(5));
    hasty.stat(linked.inode).await?;
    let _ = tokio::time::timeout(Duration::from_millis(5), hasty.stat(linked.inode)).await;

    // A rename, a refusal with a name, and the end of it.
    let named = |text: &[u8]| -> Result<EntryName, Box<dyn Error>> {
        let name = Name::new(text)?;
        Ok(EntryName { dir, name })
    };
    let entry = RenameEntry {
        source: named(b"numbers")?,
        target: named(b"renamed")?,
    };
    client.rename(entry, Replace::Never).await?;
    let gone = client.lookup(dir, &name).await;
    assert_eq!(gone.err(), Some(ClientError::Refused(Refusal::NotFound)));
    client.unlink(dir, &Name::new(b"renamed")?, None).await?;
    client
        .remove_directory(InodeId::ROOT, &Name::new(b"tour")?)
        .await?;
    Ok(())
}

#[tokio::main]
#[allow(
    dead_code,
    reason = "the tests of the library use the rest of this file"
)]
async fn main() -> Result<(), Box<dyn Error>> {
    let registry: SocketAddr = std::env::args()
        .nth(1)
        .ok_or("usage: tour REGISTRY_ADDRESS")?
        .parse()?;
    let secret = credentials::default_secret_path(registry).ok_or("no home directory")?;
    let credentials = Credentials::from_file(&secret, PeerRole::Client)?;
    let client = Client::connect(ClientConfig::new(vec![registry], credentials, "tour")).await?;
    tour(&client).await
}
