//! No disk of blocks has space; later all of them have, and the cluster has to notice by itself.

use std::time::Duration;

use anyhow::{Result, bail};
use eggs_proto::shard::Replace;
use eggs_proto::{AttributeChange, InodeId, Name, NewAttributes};
use tokio::time::Instant;

use super::field::Field;
use super::system::ENOSPC;
use crate::dress::Faults;
use crate::{Content, Random};

/// Within which files can be written again. Heartbeats tell of free space every few seconds.
const WRITABLE: Duration = Duration::from_secs(60);
/// Too much for the metadata.
const PROBE_BYTES: usize = 300_000;

/// Fills all disks of blocks, frees them, and waits until a file can be written.
pub(super) async fn run(field: &Field, random: &mut Random) -> Result<()> {
    let Some(dress) = &field.dress else {
        return Ok(());
    };
    let names = field.processes(&["blocks"])?;
    let what = "all disks of blocks are full";
    let fault = field.recorder.fault(what);
    for name in &names {
        let write_errno = ENOSPC;
        let faults = Faults {
            write_errno,
            ..Faults::default()
        };
        dress.suffer(name, faults)?;
    }
    tokio::time::sleep(Duration::from_millis(random.between(3000, 8000))).await;
    for name in &names {
        dress.suffer(name, Faults::default())?;
    }
    let freed = Instant::now();
    let seed = random.between(0, u64::MAX);
    while let Err(error) = probe(field, seed).await {
        if freed.elapsed() > WRITABLE {
            bail!("no file can be written {WRITABLE:?} after all disks have space again: {error}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let millis = freed.elapsed().as_millis();
    let told = format!("writable by itself {millis} ms after all disks had space again");
    field.recorder.note(&told);
    field.recorder.healed(fault, what);
    Ok(())
}

/// Writes a file of blocks over the one of the last time.
async fn probe(field: &Field, seed: u64) -> Result<(), eggs_client::ClientError> {
    let attributes = NewAttributes {
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: None,
        atime: None,
    };
    let bytes = PROBE_BYTES;
    let name = "probe-of-space";
    let mut writer = field.client.create(InodeId::ROOT, attributes, name);
    writer.write(&Content { seed, bytes }.make()).await?;
    let name = Name::new(name).expect("short and without a slash");
    let linked = writer.link(&name, Replace::Files, AttributeChange::default());
    linked.await.map(drop)
}
