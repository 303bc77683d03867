//! Bringing old versions back.

use eggs_proto::cdc::{CdcOperation, CdcReply, EntryName};
use eggs_proto::shard::{Replace, ShardChange, ShardReply, Snapshot};
use eggs_proto::{InodeId, Name, Refusal};

use super::directory::nonsense;
use crate::client::Client;
use crate::error::ClientError;
use crate::raw::shard::unexpected;

impl Client {
    /// Gives an old version of something in `dir` the name `name` there: a file or symlink in one step of its shard, a
    /// directory by the CDC, with its policies and its own old versions but without entries. A directory replaces
    /// nothing.
    pub async fn undelete(
        &self,
        dir: InodeId,
        version: &Snapshot,
        name: &Name,
        replace: Replace,
    ) -> Result<(), ClientError> {
        let (key, inode, name) = (version.key.clone(), version.inode, name.clone());
        if !inode.is_directory() {
            let change = ShardChange::Undelete {
                dir,
                key,
                inode,
                name,
                replace,
            };
            return match self.shard_change(dir.shard(), change).await? {
                ShardReply::Linked { .. } => Ok(()),
                _other => Err(unexpected(dir.shard())),
            };
        }
        let entry = EntryName { dir, name };
        match self
            .cdc(CdcOperation::UndeleteDirectory { entry, key, inode })
            .await
        {
            Ok(CdcReply::Done) => Ok(()),
            Ok(CdcReply::Made { .. } | CdcReply::Status { .. } | CdcReply::Audit(_)) => {
                Err(nonsense())
            }
            // The directory itself is gone; its snapshot goes next.
            Err(ClientError::Refused(Refusal::NotFound)) => match self.directory(inode).await {
                Err(error) if error.is_not_found() => Err(Refusal::NoSnapshot.into()),
                Ok(_) | Err(_) => Err(Refusal::NotFound.into()),
            },
            Err(error) => Err(error),
        }
    }
}
