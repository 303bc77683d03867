//! A server that is mistaken about what has expired, what is empty and what is garbage: shards check it again.

use eggs_proto::shard::{ErasedBlock, ShardChange as C, ShardQuery, ShardReply};
use eggs_proto::{BlockId, InodeId, MacTag};

use super::Act;
use crate::client::Outcome;
use crate::random::Random;

impl Act {
    pub(super) async fn meddle(&self, random: &mut Random) -> Outcome<()> {
        let dir = self.directory(random);
        let (shard, deadline_us) = (dir.shard(), self.deadline_us);
        let change = match random.below(4) {
            0 | 1 => C::DestroyTransient {
                file: self.some_file(dir, random).await?,
            },
            2 => C::RemoveDirectory { dir },
            _ => C::GarbageErased {
                erased: vec![ErasedBlock {
                    block: self.some_garbage(dir).await?,
                    proof: MacTag([7; 16]),
                }],
            },
        };
        self.client.change(shard, change, deadline_us).await?;
        Ok(())
    }

    /// Mostly a transient file.
    async fn some_file(&self, dir: InodeId, random: &mut Random) -> Outcome<InodeId> {
        let limit = 100;
        let query = if random.permille(700) {
            ShardQuery::VisitTransients { after: None, limit }
        } else {
            ShardQuery::VisitFiles { after: None, limit }
        };
        let reply = self
            .client
            .query(dir.shard(), query, self.deadline_us)
            .await?;
        let files: Vec<InodeId> = match reply {
            ShardReply::Transients { transients, .. } => {
                transients.iter().map(|info| info.file).collect()
            }
            ShardReply::Inodes { inodes, .. } => inodes,
            _ => Vec::new(),
        };
        let missing = InodeId::new(eggs_proto::InodeKind::File, dir.shard(), 1 << 40);
        Ok(random.pick(&files).unwrap_or(missing))
    }

    async fn some_garbage(&self, dir: InodeId) -> Outcome<BlockId> {
        let query = ShardQuery::VisitGarbage {
            after: None,
            limit: 1,
        };
        let reply = self
            .client
            .query(dir.shard(), query, self.deadline_us)
            .await?;
        match reply {
            ShardReply::Garbage { blocks, .. } => {
                let first = blocks.first().map(|block| block.facts.block);
                Ok(first.unwrap_or(BlockId::new(dir.shard(), 1)))
            }
            _ => Ok(BlockId::new(dir.shard(), 1)),
        }
    }
}
