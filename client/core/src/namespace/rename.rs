//! Renaming.

use eggs_proto::Refusal;
use eggs_proto::cdc::{CdcOperation, CdcReply, EntryName};
use eggs_proto::shard::{Replace, ShardChange};

use super::directory::nonsense;
use crate::client::Client;
use crate::error::ClientError;
use crate::raw::shard::done;

/// Both names of a rename.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenameEntry {
    /// The old name.
    pub source: EntryName,
    /// The new name.
    pub target: EntryName,
}

impl Client {
    /// Gives what `source` stands for the name `target`. Within a directory one shard does it; across
    /// directories the CDC.
    pub async fn rename(&self, entry: RenameEntry, replace: Replace) -> Result<(), ClientError> {
        let RenameEntry { source, target } = entry;
        if source.dir == target.dir {
            let shard = source.dir.shard();
            let change = ShardChange::Rename {
                dir: source.dir,
                source: source.name.clone(),
                target: target.name.clone(),
                replace,
            };
            match self.shard_change(shard, change).await {
                Err(ClientError::Refused(Refusal::NeedsCoordinator)) => {}
                reply => return done(shard, &reply?),
            }
        }
        let operation = CdcOperation::Rename {
            source,
            target,
            replace,
        };
        match self.cdc(operation).await? {
            CdcReply::Done => Ok(()),
            CdcReply::Made { .. } | CdcReply::Status { .. } | CdcReply::Audit(_) => Err(nonsense()),
        }
    }
}
