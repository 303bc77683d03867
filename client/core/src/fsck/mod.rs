//! Checking a file system that is in use, and putting right what is derived.
//!
//! One *look* asks every shard for an audit, page by page, and then the coordinator. What a page says is certain; what
//! takes several shards to see is believed if several looks say exactly the same (`eggs-audit`).

mod look;
mod repair;

use std::collections::BTreeSet;
use std::time::Duration;

use eggs_audit::{LOOKS, Suspects};
use eggs_proto::ShardId;
use eggs_proto::audit::Finding;

use crate::client::Client;
use crate::error::ClientError;
use look::{Look, PageSize};

/// Between looks, for what moves to move on.
const PAUSE: Duration = Duration::from_secs(1);

/// What is to be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FsckScope {
    /// All shards, the coordinator, and what spans them.
    Everything,
    /// What one shard can see.
    Shard(ShardId),
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Checked {
    /// Shards.
    pub shards: usize,
    /// Files, symlinks and directories, transient files excepted.
    pub inodes: u64,
    /// Dentries and snapshots.
    pub names: u64,
    /// Blocks of files.
    pub blocks: u64,
    /// Looks that it took.
    pub looks: usize,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FsckReport {
    /// What is wrong, for certain.
    pub findings: Vec<Finding>,
    /// Shards that changed so fast that their usage counters could not be compared.
    pub unverified: Vec<ShardId>,
    /// How much was looked at.
    pub checked: Checked,
}

impl Client {
    /// Checks the file system. Takes as long as it takes; each request has the usual bound.
    pub async fn fsck(&self, scope: FsckScope) -> Result<FsckReport, ClientError> {
        let mut certain: BTreeSet<Finding> = BTreeSet::new();
        let mut suspects = Suspects::default();
        let mut unverified: Vec<ShardId> = match scope {
            FsckScope::Everything => ShardId::all().collect(),
            FsckScope::Shard(shard) => vec![shard],
        };
        let all = unverified.clone();
        let mut checked = Checked::default();
        while checked.looks < LOOKS && (suspects.are_open() || !unverified.is_empty()) {
            let size = match checked.looks {
                0 => PageSize::Usual,
                _ => {
                    tokio::time::sleep(PAUSE).await;
                    PageSize::Large // fewer pages for the shard to change between
                }
            };
            if suspects.are_open() {
                let mut look = Look::take(self, &all, size).await?;
                if scope == FsckScope::Everything {
                    look.ask_cdc(self).await?;
                }
                certain.append(&mut look.certain);
                unverified.retain(|shard| look.moved.contains(shard));
                checked = Checked {
                    looks: checked.looks + 1,
                    ..look.checked
                };
                suspects.look(look.suspects(scope));
            } else {
                let mut look = Look::take(self, &unverified, size).await?;
                certain.append(&mut look.certain);
                unverified.retain(|shard| look.moved.contains(shard));
                checked.looks += 1;
            }
        }
        certain.extend(suspects.confirmed());
        Ok(FsckReport {
            findings: certain.into_iter().collect(),
            unverified,
            checked,
        })
    }
}
