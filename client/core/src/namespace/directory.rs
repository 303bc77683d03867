//! Making, removing and describing directories.

use eggs_proto::cdc::{CdcOperation, CdcReply, EntryName};
use eggs_proto::shard::{DirectoryInfo, ShardQuery, ShardReply};
use eggs_proto::{InodeId, Name, NewAttributes};

use crate::client::{Client, Inner};
use crate::deadline::Deadline;
use crate::error::ClientError;
use crate::raw::shard::unexpected;

impl Client {
    /// Makes an empty directory.
    pub async fn make_directory(
        &self,
        dir: InodeId,
        name: &Name,
        attributes: NewAttributes,
    ) -> Result<InodeId, ClientError> {
        let name = name.clone();
        let entry = EntryName { dir, name };
        let operation = CdcOperation::MakeDirectory { entry, attributes };
        match self.cdc(operation).await? {
            CdcReply::Made { dir } => Ok(dir),
            CdcReply::Done | CdcReply::Status { .. } | CdcReply::Audit(_) => Err(nonsense()),
        }
    }

    /// Removes an empty directory; it becomes a snapshot.
    pub async fn remove_directory(&self, dir: InodeId, name: &Name) -> Result<(), ClientError> {
        let name = name.clone();
        let entry = EntryName { dir, name };
        let operation = CdcOperation::RemoveDirectory { entry };
        match self.cdc(operation).await? {
            CdcReply::Done => Ok(()),
            CdcReply::Made { .. } | CdcReply::Status { .. } | CdcReply::Audit(_) => Err(nonsense()),
        }
    }

    /// What only directories have: parent, policies set on it, number of snapshots.
    pub async fn directory(&self, dir: InodeId) -> Result<DirectoryInfo, ClientError> {
        self.inner.directory(dir, self.deadline()).await
    }
}

impl Inner {
    pub(crate) async fn directory(
        &self,
        dir: InodeId,
        deadline: Deadline,
    ) -> Result<DirectoryInfo, ClientError> {
        let query = ShardQuery::Directory { dir };
        let reply = self.query(dir.shard(), query, deadline).await?;
        let ShardReply::Directory(info) = reply else {
            return Err(unexpected(dir.shard()));
        };
        Ok(info)
    }
}

pub(super) fn nonsense() -> ClientError {
    ClientError::Protocol {
        what: "the CDC".to_owned(),
    }
}
