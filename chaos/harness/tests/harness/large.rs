//! Sizes that small tests never reach: a file of several gigabytes, a directory of 100,000 entries.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};

use anyhow::{Context, Result, ensure};
use eggs_client::Client;
use eggs_harness::{Cluster, Content, Options};
use eggs_proto::shard::Replace;
use eggs_proto::{AttributeChange, InodeId, Name, NewAttributes};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

const PIECE_BYTES: usize = 8 << 20;
const PIECES: u64 = 320;
const ENTRIES: usize = 100_000;
const IN_FLIGHT: usize = 128;

#[test]
fn a_file_of_several_gigabytes_and_a_directory_of_many_entries() -> Result<()> {
    let cluster = Cluster::start(Options::default())?;
    large_file(&cluster)?;
    let runtime = tokio::runtime::Runtime::new().context("start a runtime")?;
    runtime.block_on(create_entries(&cluster))?;
    large_directory(&cluster)
}

/// Pieces that all differ: one that is missing, repeated or in the wrong place is seen.
fn piece(index: u64) -> Vec<u8> {
    Content {
        seed: index,
        bytes: PIECE_BYTES,
    }
    .make()
}

fn large_file(cluster: &Cluster) -> Result<()> {
    let path = cluster.mount().join("large");
    let mut file = File::create(&path)?;
    for index in 0..PIECES {
        file.write_all(&piece(index))
            .with_context(|| format!("write piece {index}"))?;
    }
    drop(file);
    let size = PIECES * PIECE_BYTES as u64;
    let metadata = fs::metadata(&path)?;
    ensure!(metadata.size() == size, "{} bytes", metadata.size());
    let mut file = File::open(&path)?;
    let mut found = vec![0; PIECE_BYTES];
    for index in 0..PIECES {
        file.read_exact(&mut found)?;
        ensure!(found == piece(index), "piece {index} is another one");
    }
    ensure!(file.read(&mut found)? == 0, "bytes after the end");
    // Across the border between two pieces far inside, which is no border of an extent.
    let mut few = [0; 64];
    file.read_exact_at(&mut few, 200 * PIECE_BYTES as u64 - 32)?;
    ensure!(few[..32] == piece(199)[PIECE_BYTES - 32..] && few[32..] == piece(200)[..32]);
    fs::remove_file(&path)?;
    Ok(())
}

/// By the library: a mount creates one file after the other.
async fn create_entries(cluster: &Cluster) -> Result<()> {
    let client = cluster.client().await?;
    let attributes = NewAttributes {
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: None,
        atime: None,
    };
    let dir = client
        .make_directory(InodeId::ROOT, &Name::new("many")?, attributes)
        .await?;
    let create = |index: usize| {
        let client: Client = client.clone();
        async move {
            let name = Name::new(entry(index))?;
            let mut file = client.create(dir, attributes, "entry");
            let linked = file.link(&name, Replace::Never, AttributeChange::default());
            linked.await.map(drop).context("create an entry")
        }
    };
    stream::iter(0..ENTRIES)
        .map(create)
        .buffer_unordered(IN_FLIGHT)
        .try_collect()
        .await
}

fn entry(index: usize) -> String {
    format!("entry number {index}")
}

fn large_directory(cluster: &Cluster) -> Result<()> {
    let dir = cluster.mount().join("many");
    ensure!(fs::metadata(&dir)?.size() == ENTRIES as u64);
    let mut names = HashSet::new();
    for found in fs::read_dir(&dir)? {
        let name = found?
            .file_name()
            .into_string()
            .expect("we made it of ASCII");
        ensure!(names.insert(name.clone()), "{name} appears twice");
    }
    ensure!(names.len() == ENTRIES, "{} entries", names.len());
    ensure!((0..ENTRIES).all(|index| names.contains(&entry(index))));
    let listed = cluster.cli(&["ls", "/many"])?.ok()?;
    ensure!(listed.lines().count() == ENTRIES, "eggscli lists others");
    cluster.cli(&["rm", "-r", "/many"])?.ok()?;
    ensure!(!dir.exists());
    Ok(())
}
