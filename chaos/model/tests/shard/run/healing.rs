//! What a repair does: blocks of a linked file are made again elsewhere. To the model nothing happens.

use super::{Outcome, Run};
use crate::cluster::proof_of;
use crate::compare::extents;
use eggs_model::File;
use eggs_proto::shard::{HealTarget, ShardChange as C, ShardReply};
use eggs_proto::{BlockState, Extent, ExtentBlock, ExtentBody, InodeId};

impl Run {
    /// Makes a block of an extent again that is missing, or else any of them; one in four is not written in time.
    pub(super) fn heal(&mut self, file: usize, which: u8) -> Outcome {
        let Some((file, offset, blocks)) = self.some_extent(file) else {
            return Ok(()); // nothing to be healed
        };
        let missing = blocks.iter().position(|b| b.state == BlockState::Missing);
        let index = missing.unwrap_or(usize::from(which) % blocks.len());
        let target = HealTarget {
            file,
            offset,
            indexes: vec![index as u8],
            seen: blocks.iter().map(|block| block.block).collect(),
        };
        let begin = C::BeginHeal {
            target: target.clone(),
            exclude: Vec::new(),
        };
        let (scratch, cookie, placed) = match self.cluster.change(begin)? {
            ShardReply::Started {
                file,
                cookie,
                blocks,
            } => (file, cookie, blocks),
            other => panic!("{other:?}"),
        };
        let named = placed.iter().map(|block| block.facts.block);
        self.placed.extend(named);
        if which.is_multiple_of(4) {
            let scrap = C::Scrap {
                file: scratch,
                cookie,
            };
            assert_eq!(self.change(scrap), Ok(()));
            self.destroy(scratch);
            return Ok(());
        }
        let proofs = placed.iter().map(|block| Some(proof_of(block)));
        let finish = C::FinishHeal {
            scratch,
            cookie,
            target,
            proofs: proofs.collect(),
        };
        self.change(finish)
    }

    /// An extent in blocks of a linked file.
    fn some_extent(&self, index: usize) -> Option<(InodeId, u64, Vec<ExtentBlock>)> {
        let linked = self.model.files.iter();
        let linked = linked.filter(|(_, file)| matches!(file, File::Linked(_)));
        let all: Vec<_> = linked
            .flat_map(|(file, _)| {
                let with_file = |extent: Extent| match extent.body {
                    ExtentBody::Blocks { blocks, .. } => Some((*file, extent.offset, blocks)),
                    ExtentBody::Inline(_) | ExtentBody::Hole => None,
                };
                extents(&self.cluster, *file)
                    .into_iter()
                    .filter_map(with_file)
            })
            .collect();
        let index = index.checked_rem(all.len())?;
        all.into_iter().nth(index)
    }
}
