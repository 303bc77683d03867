//! Putting right what a check found. Needs the cluster secret: servers refuse these changes to clients.

use eggs_proto::audit::{Finding, RepairStep, ShardRepair};
use eggs_proto::cdc::{CdcReply, CdcRequest, EntryName};
use eggs_proto::shard::{DirectoryOutcome, ReleaseAction, ShardChange, ShardReply};
use eggs_proto::{InodeId, Name, NewAttributes, Refusal};

use crate::client::Client;
use crate::error::ClientError;
use crate::raw::shard::unexpected;

/// Where what has no name gets one.
const LOST_AND_FOUND: &[u8] = b"lost+found";

impl Client {
    /// Takes the steps of a finding in order. Each is checked again by who takes it.
    pub async fn repair(&self, finding: &Finding) -> Result<(), ClientError> {
        for step in &finding.repair {
            self.take(step).await?;
        }
        Ok(())
    }

    async fn take(&self, step: &RepairStep) -> Result<(), ClientError> {
        match step.clone() {
            RepairStep::Shard(repair) => self.repair_shard(repair).await,
            RepairStep::Parent { dir, known, parent } => {
                self.repair_parent(dir, known, parent).await
            }
            RepairStep::Adopt {
                inode,
                parent,
                known,
            } => self.adopt(inode, parent, known).await,
            RepairStep::Unlock {
                name: EntryName { dir, name },
                transaction,
            } => {
                let action = ReleaseAction::Keep;
                let release = ShardChange::ReleaseDentry {
                    dir,
                    name,
                    action,
                    transaction,
                };
                self.shard_change(dir.shard(), release).await.map(drop)
            }
            RepairStep::Unbar { dir, transaction } => {
                let outcome = DirectoryOutcome::Attached;
                let settle = ShardChange::SettleDirectory {
                    dir,
                    outcome,
                    transaction,
                };
                self.shard_change(dir.shard(), settle).await.map(drop)
            }
        }
    }

    async fn repair_shard(&self, mut repair: ShardRepair) -> Result<(), ClientError> {
        let shard = repair.shard();
        loop {
            let next = repair.next();
            let change = ShardChange::Repair(repair);
            match self.shard_change(shard, change).await? {
                ShardReply::Done | ShardReply::Linked { .. } => return Ok(()),
                ShardReply::Progress { finished: true } => return Ok(()),
                ShardReply::Progress { finished: false } => {
                    repair = next.ok_or_else(|| unexpected(shard))?;
                }
                _nonsense => return Err(unexpected(shard)),
            }
        }
    }

    async fn repair_parent(
        &self,
        dir: InodeId,
        known: Option<InodeId>,
        parent: Option<InodeId>,
    ) -> Result<(), ClientError> {
        let request = CdcRequest::RepairParent { dir, known, parent };
        match self.cdc_ask(&request).await? {
            CdcReply::Done => Ok(()),
            CdcReply::Made { .. } | CdcReply::Status { .. } | CdcReply::Audit(_) => {
                let what = "the CDC".to_owned();
                Err(ClientError::Protocol { what })
            }
        }
    }

    /// The parent first, so that a directory that has its name has everything.
    async fn adopt(
        &self,
        inode: InodeId,
        parent: Option<InodeId>,
        known: Option<InodeId>,
    ) -> Result<(), ClientError> {
        let dir = self.lost_and_found().await?;
        if let Some(parent) = parent {
            self.repair_parent(inode, known, Some(dir)).await?;
            let repair = ShardRepair::Parent {
                dir: inode,
                known: parent,
                parent: dir,
            };
            self.repair_shard(repair).await?;
        }
        let name = Name::new(format!("#{:016x}", inode.get()))?;
        self.repair_shard(ShardRepair::Adopt { dir, name, inode })
            .await
    }

    async fn lost_and_found(&self) -> Result<InodeId, ClientError> {
        let (root, name) = (InodeId::ROOT, Name::new(LOST_AND_FOUND)?);
        match self.lookup(root, &name).await {
            Ok(found) if found.inode.is_directory() => return Ok(found.inode),
            Ok(_) => return Err(Refusal::NotDirectory.into()),
            Err(ClientError::Refused(Refusal::NotFound)) => {}
            Err(error) => return Err(error),
        }
        let attributes = NewAttributes {
            mode: 0o700,
            uid: 0,
            gid: 0,
            mtime: None,
            atime: None,
        };
        self.make_directory(root, &name, attributes).await
    }
}
