//! One directory on each shard, and every file that was acknowledged in it.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use eggs_client::Client;
use eggs_proto::shard::Replace;
use eggs_proto::{AttributeChange, InodeId, Name, NewAttributes};
use futures::future::try_join_all;

use crate::report::Report;

/// Metadata shards of a cluster.
pub const SHARDS: usize = 256;
/// Directories made at a time until every shard has one.
const AT_A_TIME: usize = 64;

const ATTRIBUTES: NewAttributes = NewAttributes {
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: None,
    atime: None,
};

pub struct Files {
    client: Client,
    /// By shard.
    dirs: Vec<InodeId>,
    next: AtomicU64,
    acknowledged: Mutex<Vec<BTreeSet<String>>>,
}

impl Files {
    /// Makes directories until there is one on each shard.
    pub async fn prepare(client: &Client) -> Result<Self> {
        let mut dirs: Vec<Option<InodeId>> = vec![None; SHARDS];
        let mut made = 0;
        while dirs.iter().any(Option::is_none) {
            if made > 100 * SHARDS {
                bail!("no directory on some shard after {made}");
            }
            let some = (made..made + AT_A_TIME).map(|number| make(client, number));
            for dir in try_join_all(some).await? {
                if let Some(slot) = dirs.get_mut(usize::from(dir.shard().0)) {
                    slot.get_or_insert(dir);
                }
            }
            made += AT_A_TIME;
        }
        Ok(Self {
            client: client.clone(),
            dirs: dirs.into_iter().flatten().collect(),
            next: AtomicU64::new(0),
            acknowledged: Mutex::new(vec![BTreeSet::new(); SHARDS]),
        })
    }

    /// One file on one shard, until it is acknowledged.
    pub async fn create(&self, shard: usize) -> Result<()> {
        let text = format!("f{}", self.next.fetch_add(1, Ordering::Relaxed));
        let name = Name::new(text.clone()).context("name a file")?;
        let dir = *self.dirs.get(shard).context("no such shard")?;
        let mut writer = self.client.create(dir, ATTRIBUTES, "bench");
        writer.write(&[7; 100]).await.context("write")?;
        let created = writer.link(&name, Replace::Never, AttributeChange::default());
        created.await.context("link")?;
        let mut all = self.acknowledged.lock().expect("nobody panics with it");
        all.get_mut(shard).context("no such shard")?.insert(text);
        Ok(())
    }

    /// One file on each of these shards at the same time.
    pub async fn create_in(&self, shards: &[usize]) -> Result<()> {
        let all = shards.iter().map(|shard| self.create(*shard));
        try_join_all(all).await.map(drop)
    }

    /// Looks for every file that was acknowledged.
    pub async fn verify(&self, report: &mut Report) -> Result<()> {
        let all = self
            .acknowledged
            .lock()
            .expect("nobody panics with it")
            .clone();
        let (mut there, mut lost) = (0, 0);
        for (dir, mut names) in self.dirs.iter().zip(all) {
            let mut after = None;
            loop {
                let page = self.client.list_with_attributes(*dir, after, 4096);
                let page = page.await.context("list")?;
                for entry in &page.entries {
                    there += usize::from(names.remove(&entry.name.to_string()));
                }
                after = page.cursor();
                if !page.more {
                    break;
                }
            }
            lost += names.len();
        }
        report.add("acknowledged files that are there", there as f64, "");
        report.add("acknowledged files that are lost", lost as f64, "");
        if lost > 0 {
            bail!("{lost} acknowledged files are lost");
        }
        Ok(())
    }
}

async fn make(client: &Client, number: usize) -> Result<InodeId> {
    let name = Name::new(format!("d{number}")).context("name a directory")?;
    let attributes = NewAttributes {
        mode: 0o755,
        ..ATTRIBUTES
    };
    let made = client.make_directory(InodeId::ROOT, &name, attributes);
    made.await.context("make a directory")
}
