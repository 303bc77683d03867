//! Writing files: as `client/core` does, and as somebody does who makes mistakes, stops in the middle, or cheats.

use eggs_proto::block::{BlockReply, BlockRequest};
use eggs_proto::shard::{AddExtent, PlacedBlock, Replace, ShardChange as C, ShardReply};
use eggs_proto::{
    AttributeChange, Checksum, Cookie, ExtentLayout, InodeId, MacTag, Scheme, StorageClass,
};

use super::{ATTRIBUTES, Act};
use crate::client::{Failure, Outcome};
use crate::random::Random;

const SCHEME: Scheme = Scheme { data: 2, parity: 2 };

/// A file being written.
struct Writing {
    file: InodeId,
    cookie: Cookie,
}

/// Proofs of the blocks of one extent.
type Proofs = Vec<Option<MacTag>>;

impl Act {
    async fn change_file(&self, writing: &Writing, change: C) -> Outcome<ShardReply> {
        // Writers are patient: each change has its own deadline.
        let deadline_us = self.client.deadline(super::PATIENCE_S);
        let shard = writing.file.shard();
        self.client.change(shard, change, deadline_us).await
    }

    pub(super) async fn write_file(&self, random: &mut Random) -> Outcome<()> {
        let entry = self.any_entry(random);
        let start = C::CreateTransient {
            dir: entry.dir,
            attributes: ATTRIBUTES,
            note: entry.name.to_string(),
        };
        let shard = entry.dir.shard();
        let started = self.client.change(shard, start, self.deadline_us).await?;
        let ShardReply::Transient { file, cookie } = started else {
            return Ok(());
        };
        let writing = Writing { file, cookie };
        let written = self.fill(&writing, random).await;
        let (file, cookie) = (writing.file, writing.cookie);
        match random.below(12) {
            0 => return written, // the writer is gone: the file expires
            1 => {
                self.change_file(&writing, C::Scrap { file, cookie })
                    .await?;
                return written;
            }
            2 => self.dawdle(&writing, random).await?,
            _ => {}
        }
        if written.is_err() && random.permille(700) {
            return written;
        }
        let link = C::Link {
            file,
            cookie: if random.permille(20) {
                Cookie(7)
            } else {
                cookie
            },
            dir: entry.dir,
            name: entry.name,
            replace: if random.permille(300) {
                Replace::Never
            } else {
                Replace::Files
            },
            attributes: AttributeChange::default(),
        };
        self.change_file(&writing, link).await?;
        Ok(())
    }

    /// Waits about as long as the file may live, sometimes with a sign of life in between.
    async fn dawdle(&self, writing: &Writing, random: &mut Random) -> Outcome<()> {
        let (file, cookie) = (writing.file, writing.cookie);
        let long_us = random.between(590_000_000, 603_000_000);
        if random.permille(500) {
            self.client.sim.sleep_us(long_us / 2).await;
            self.change_file(writing, C::KeepAlive { file, cookie })
                .await?;
        }
        self.client.sim.sleep_us(long_us).await;
        Ok(())
    }

    async fn fill(&self, writing: &Writing, random: &mut Random) -> Outcome<()> {
        let (file, cookie) = (writing.file, writing.cookie);
        let mut offset = 0;
        let mut last: Option<(u64, Proofs)> = None;
        for _ in 0..random.between(1, 4) {
            if random.permille(200) {
                let content = vec![b'y'; 1 + random.below(50) as usize];
                let size = content.len() as u64;
                let add = C::AddInline {
                    file,
                    cookie,
                    offset,
                    content,
                };
                self.change_file(writing, add).await?;
                offset += size;
                continue;
            }
            let size = random.between(1, 20_000);
            let certify = last.take_if(|_| random.permille(600));
            if let Some((at, proofs)) = last.take() {
                self.certify(writing, at, proofs).await?;
            }
            let placed = self
                .add_extent(writing, (offset, size), certify, random)
                .await?;
            let proofs = self.write_blocks(writing, offset, placed, random).await;
            last = Some((offset, proofs));
            offset += size;
        }
        match last {
            Some((at, proofs)) => self.certify(writing, at, proofs).await,
            None => Ok(()),
        }
    }

    async fn certify(&self, writing: &Writing, offset: u64, proofs: Proofs) -> Outcome<()> {
        let change = C::CertifyExtent {
            file: writing.file,
            cookie: writing.cookie,
            offset,
            proofs,
        };
        self.change_file(writing, change).await?;
        Ok(())
    }

    async fn add_extent(
        &self,
        writing: &Writing,
        (offset, size): (u64, u64),
        certify: Option<(u64, Proofs)>,
        random: &mut Random,
    ) -> Outcome<Vec<PlacedBlock>> {
        let request = AddExtent {
            file: writing.file,
            cookie: writing.cookie,
            offset,
            size,
            class: StorageClass::Flash,
            layout: ExtentLayout::for_size(size, SCHEME, 1 << 20),
            checksums: (0..SCHEME.blocks())
                .map(|_| Checksum(random.word()))
                .collect(),
            exclude: Vec::new(),
            certify,
        };
        match self.change_file(writing, C::AddExtent(request)).await? {
            ShardReply::Placed(placed) => Ok(placed),
            _ => Err(Failure::TooLate),
        }
    }

    /// Writes all blocks, each that cannot be written once more elsewhere, and gives the proofs there are.
    async fn write_blocks(
        &self,
        writing: &Writing,
        offset: u64,
        placed: Vec<PlacedBlock>,
        random: &mut Random,
    ) -> Proofs {
        let mut proofs: Proofs = vec![None; SCHEME.blocks()];
        let mut failed = Vec::new();
        for block in placed {
            let index = usize::from(block.index);
            if random.permille(40) {
                // Not written at all; cheats show the proof of another block instead.
                let other = proofs.iter().flatten().next().copied();
                proofs[index] = other.filter(|_| random.permille(500));
                continue;
            }
            match self.write_block(&block).await {
                Ok(proof) => proofs[index] = Some(proof),
                Err(_) => failed.push(block),
            }
        }
        if failed.is_empty() || random.permille(300) {
            return proofs;
        }
        let replace = C::ReplaceBlocks {
            file: writing.file,
            cookie: writing.cookie,
            offset,
            indexes: failed.iter().map(|block| block.index).collect(),
            exclude: failed.iter().map(|block| block.facts.service).collect(),
        };
        if let Ok(ShardReply::Placed(again)) = self.change_file(writing, replace).await {
            for block in again {
                if let Ok(proof) = self.write_block(&block).await {
                    proofs[usize::from(block.index)] = Some(proof);
                }
            }
        }
        proofs
    }

    async fn write_block(&self, block: &PlacedBlock) -> Outcome<MacTag> {
        let request = BlockRequest::Write {
            facts: block.facts,
            expiry: block.expiry,
            certificate: block.certificate,
        };
        match self.client.block(block.facts.service, request).await? {
            BlockReply::Written { proof } => Ok(proof),
            _ => Err(Failure::TooLate),
        }
    }
}
