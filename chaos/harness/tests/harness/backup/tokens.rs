//! Files that many clients move across directories as fast as they can, so that a backup cannot but meet moves under way.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Context, Result};
use eggs_client::{Client, RenameEntry};
use eggs_harness::Cluster;
use eggs_proto::cdc::EntryName;
use eggs_proto::shard::Replace;
use eggs_proto::{AttributeChange, InodeId, Name, NewAttributes};
use futures::future::try_join_all;

/// Files that are moved, each by a client of its own.
const TOKENS: u64 = 48;

/// Their names.
pub fn names() -> impl Iterator<Item = String> {
    (0..TOKENS).map(|token| format!("token-{token}"))
}

/// Moves them around these directories of the root until told to stop; counts the moves.
pub fn move_around(
    cluster: &Cluster,
    places: &[String],
    stop: &AtomicBool,
    moves: &AtomicU64,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start a runtime")?;
    runtime.block_on(async {
        let client = cluster.client().await?;
        let mut dirs = Vec::new();
        for place in places {
            let found = client.lookup(InodeId::ROOT, &name(place)?).await;
            dirs.push(found.context("look up")?.inode);
        }
        let movers = names().enumerate().map(|(number, token)| {
            let (client, dirs) = (&client, &dirs);
            async move { one(client, dirs, (number, &token), stop, moves).await }
        });
        try_join_all(movers).await.map(drop)
    })
}

async fn one(
    client: &Client,
    dirs: &[InodeId],
    (number, token): (usize, &str),
    stop: &AtomicBool,
    moves: &AtomicU64,
) -> Result<()> {
    let token = name(token)?;
    let attributes = NewAttributes {
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: None,
        atime: None,
    };
    let mut writer = client.create(dirs[number % dirs.len()], attributes, "tokens");
    let made = writer.link(&token, Replace::Never, AttributeChange::default());
    made.await.context("make a token")?;
    let entry = |at: usize| EntryName {
        dir: dirs[at % dirs.len()],
        name: token.clone(),
    };
    for at in number.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let entry = RenameEntry {
            source: entry(at),
            target: entry(at + 1),
        };
        let moved = client.rename(entry, Replace::Never).await;
        moved.context("move a token")?;
        moves.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn name(text: &str) -> Result<Name> {
    Name::new(text).context("make a name")
}
