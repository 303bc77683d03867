//! What is known of directories in one pass: enough to find the policy that applies.

use std::cell::RefCell;
use std::collections::BTreeMap;

use eggs_client::ClientError;
use eggs_proto::shard::{DirectoryInfo, ShardQuery, ShardReply};
use eggs_proto::{DEPTH_MAX, InodeId, PolicySet, Refusal, SnapshotPolicy};

use crate::cluster::Cluster;
use crate::pass::nonsense;
use crate::planning::own_snapshot_policy;

/// Directories remembered in a pass; beyond that they are asked for again.
const KNOWN_MAX: usize = 100_000;

/// Where a directory's policy comes from.
#[derive(Clone, Copy, Debug)]
struct Inheritance {
    parent: InodeId,
    own: Option<SnapshotPolicy>,
}

/// What is known of directories in one pass.
#[derive(Debug, Default)]
pub(crate) struct Directories {
    known: RefCell<BTreeMap<InodeId, Inheritance>>,
}

impl Directories {
    /// Asks for a directory; `None` if there is none.
    pub async fn fetch(
        &self,
        cluster: &impl Cluster,
        dir: InodeId,
    ) -> Result<Option<DirectoryInfo>, ClientError> {
        match cluster
            .query(dir.shard(), ShardQuery::Directory { dir })
            .await
        {
            Ok(ShardReply::Directory(info)) => {
                let mut known = self.known.borrow_mut();
                if known.len() < KNOWN_MAX {
                    let own = own_snapshot_policy(&info);
                    let parent = info.parent;
                    known.insert(dir, Inheritance { parent, own });
                }
                Ok(Some(info))
            }
            Ok(_) => Err(nonsense(dir.shard())),
            Err(ClientError::Refused(Refusal::NotFound)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The snapshot policy that applies in a directory. An ancestor that cannot be found is an error: then
    /// nothing is collected, because it might have said to keep it.
    pub async fn snapshot_policy(
        &self,
        cluster: &impl Cluster,
        dir: InodeId,
    ) -> Result<SnapshotPolicy, ClientError> {
        let mut at = dir;
        for _ in 0..DEPTH_MAX {
            let Inheritance { parent, own } = self.inheritance(cluster, at).await?;
            match own {
                Some(policy) => return Ok(policy),
                None if parent == at => return Ok(PolicySet::default().snapshot),
                None => at = parent,
            }
        }
        Err(Refusal::Loop.into())
    }

    async fn inheritance(
        &self,
        cluster: &impl Cluster,
        dir: InodeId,
    ) -> Result<Inheritance, ClientError> {
        let known = self.known.borrow().get(&dir).copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let info = self.fetch(cluster, dir).await?.ok_or(Refusal::NotFound)?;
        Ok(Inheritance {
            parent: info.parent,
            own: own_snapshot_policy(&info),
        })
    }
}
