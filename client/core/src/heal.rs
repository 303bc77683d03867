//! Healing: blocks of a linked file that are missing, lost or damaged are made again elsewhere. For servers.
//!
//! New places are asked of the shard, the blocks are made from others, verified against their checksums and written, and
//! the shard puts them in the place of the old ones when their proofs are there.
//!
//! **Invariant:** it may stop anywhere: until the last request nothing of the file has changed, and what was written
//! is collected when the transient file that it belongs to expires.

use bytes::Bytes;
use eggs_proto::shard::{HealTarget, PlacedBlock, ShardChange, ShardReply};
use eggs_proto::{Cookie, Extent, ExtentBody, InodeId, MacTag};
use futures::future::join_all;

use crate::client::Client;
use crate::error::ClientError;
use crate::raw::shard::unexpected;
use crate::suspects::Fault;
use crate::write::write_block;

/// What was healed of an extent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Healed {
    /// Blocks that are whole again.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Client {
    /// Heals blocks of an extent of a linked file, at most [`eggs_proto::HEAL_BLOCKS_MAX`] at once; all of them are held
    /// in memory. The time-out is for each request.
    ///
    /// Fewer blocks are healed than asked for where failure domains or their disks fail. Refused with `NoSpace` if there
    /// is no failure domain for any of them, and with `Changed` if the file is not linked or has other blocks by now.
    pub async fn heal_extent(
        &self,
        file: InodeId,
        extent: &Extent,
        indexes: &[u8],
    ) -> Result<Healed, ClientError> {
        let ExtentBody::Blocks { blocks, .. } = &extent.body else {
            return Ok(Healed::default());
        };
        let mut target = HealTarget {
            file,
            offset: extent.offset,
            indexes: indexes.to_vec(),
            seen: blocks.iter().map(|block| block.block).collect(),
        };
        let shard = file.shard();
        let exclude = self.inner.suspects.avoided().failed;
        let begin = ShardChange::BeginHeal {
            target: target.clone(),
            exclude,
        };
        let reply = self.shard_change(shard, begin).await?;
        let ShardReply::Started {
            file: scratch,
            cookie,
            blocks: placed,
        } = reply
        else {
            return Err(unexpected(shard));
        };
        target.indexes = placed.iter().map(|place| place.index).collect();
        match self.make(file, extent, &placed).await {
            Ok(proofs) => {
                self.finish((scratch, cookie), target, &placed, proofs)
                    .await
            }
            Err(error) => {
                let scrap = ShardChange::Scrap {
                    file: scratch,
                    cookie,
                };
                let _expires_anyway = self.shard_change(shard, scrap).await;
                Err(error)
            }
        }
    }

    /// Makes and writes the blocks; gives a proof for each that was written, at least one.
    async fn make(
        &self,
        file: InodeId,
        extent: &Extent,
        placed: &[PlacedBlock],
    ) -> Result<Vec<Option<MacTag>>, ClientError> {
        let indexes: Vec<u8> = placed.iter().map(|place| place.index).collect();
        let rebuilt = self.rebuild_blocks(file, extent, &indexes).await?;
        let writes = placed.iter().map(|place| {
            let of_place = rebuilt.iter().find(|block| block.index == place.index);
            let bytes = of_place.map(|block| block.bytes.clone());
            self.write_healed(place, bytes.unwrap_or_default())
        });
        let results = join_all(writes).await;
        if results.iter().any(Result::is_ok) {
            return Ok(results.into_iter().map(Result::ok).collect());
        }
        let first = results.into_iter().find_map(Result::err);
        Err(first.unwrap_or_else(|| unexpected(file.shard())))
    }

    async fn write_healed(&self, place: &PlacedBlock, bytes: Bytes) -> Result<MacTag, ClientError> {
        let written = write_block(&self.inner, place, bytes.into(), self.deadline()).await;
        if let Err(error) = &written {
            let service = place.facts.service;
            self.inner.suspects.add(service, Fault::WriteRefused);
            tracing::info!(%service, %error, "a healed block could not be written");
        }
        written
    }

    async fn finish(
        &self,
        (scratch, cookie): (InodeId, Cookie),
        target: HealTarget,
        placed: &[PlacedBlock],
        proofs: Vec<Option<MacTag>>,
    ) -> Result<Healed, ClientError> {
        let written = placed
            .iter()
            .zip(&proofs)
            .filter(|(_, proof)| proof.is_some());
        let healed = written.fold(Healed::default(), |sum, (place, _)| Healed {
            blocks: sum.blocks + 1,
            bytes: sum.bytes + place.facts.size,
        });
        let shard = target.file.shard();
        let finish = ShardChange::FinishHeal {
            scratch,
            cookie,
            target,
            proofs,
        };
        match self.shard_change(shard, finish).await? {
            ShardReply::Done => Ok(healed),
            _ => Err(unexpected(shard)),
        }
    }
}
