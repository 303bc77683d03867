//! Writing files: as `client/core` does, and as somebody does who makes mistakes, stops in the middle, or cheats.

use eggs_proto::block::{BlockReply, BlockRequest};
use eggs_proto::cdc::EntryName;
use eggs_proto::shard::{
    AddExtent, ExtentProofs, NewExtent, PlacedBlock, Replace, ShardChange as C, ShardReply,
};
use eggs_proto::{
    AttributeChange, Checksum, Cookie, ExtentLayout, InodeId, MacTag, PolicySet, Scheme,
};

use super::{ATTRIBUTES, Act};
use crate::client::{Failure, Outcome};
use crate::random::Random;

/// A file being written.
struct Writing {
    file: InodeId,
    cookie: Cookie,
    /// How it is to be written.
    policies: PolicySet,
}

/// What it holds so far.
#[derive(Default)]
struct Filled {
    end: u64,
    /// The last extent, if it is in blocks and not certified, with the proofs there are.
    last: Option<(u64, Proofs)>,
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

    /// Writes a file, and sometimes one of its blocks once more when it may be garbage by now.
    pub(super) async fn write_file(&self, random: &mut Random) -> Outcome<()> {
        let written = self.write_whole_file(random).await;
        let placed = self.placed.borrow().clone();
        if random.permille(200)
            && let Some(block) = random.pick(&placed)
        {
            let late_us = random.between(1_000_000, 120_000_000);
            self.client.sim.sleep_us(late_us).await;
            let _ = self.write_block(&block).await; // whatever comes of it
        }
        written
    }

    async fn write_whole_file(&self, random: &mut Random) -> Outcome<()> {
        let entry = self.any_entry(random);
        let (writing, mut filled) = self.start(&entry, random).await?;
        let mut written = self.fill(&writing, &mut filled, random).await;
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
        let cookie = if random.permille(20) {
            Cookie(7)
        } else {
            cookie
        };
        let replace = if random.permille(300) {
            Replace::Never
        } else {
            Replace::Files
        };
        let (dir, name) = (entry.dir, entry.name);
        let attributes = AttributeChange::default();
        if written.is_ok() && random.permille(500) {
            let certify = filled.last.into_iter();
            let certify = certify.map(|(offset, proofs)| ExtentProofs { offset, proofs });
            let link = C::CertifyAndLink {
                file,
                cookie,
                certify: certify.collect(),
                dir,
                name,
                replace,
                attributes,
            };
            self.change_file(&writing, link).await?;
            return Ok(());
        }
        if let (Ok(()), Some((at, proofs))) = (&written, filled.last.take()) {
            written = self.certify(&writing, at, proofs).await;
        }
        if written.is_err() && random.permille(700) {
            return written;
        }
        let link = C::Link {
            file,
            cookie,
            dir,
            name,
            replace,
            attributes,
        };
        self.change_file(&writing, link).await?;
        Ok(())
    }

    /// Starts a file, sometimes with its first extent.
    async fn start(&self, entry: &EntryName, random: &mut Random) -> Outcome<(Writing, Filled)> {
        let (dir, note) = (entry.dir, entry.name.to_string());
        let attributes = ATTRIBUTES;
        let policies = self.effective(dir);
        let first = random.permille(400);
        let size = if first { random.between(1, 20_000) } else { 0 };
        let plan = policies.plan(size);
        let start = if first {
            C::CreateWithExtent {
                dir,
                attributes,
                note,
                extent: NewExtent {
                    size,
                    class: plan.class,
                    layout: ExtentLayout::for_size(size, plan.scheme, plan.stripe_bytes),
                    checksums: checksums(plan.scheme, random),
                    exclude: Vec::new(),
                },
            }
        } else {
            C::CreateTransient {
                dir,
                attributes,
                note,
            }
        };
        let shard = dir.shard();
        match self.client.change(shard, start, self.deadline_us).await? {
            ShardReply::Transient { file, cookie } => {
                let writing = Writing {
                    file,
                    cookie,
                    policies,
                };
                Ok((writing, Filled::default()))
            }
            ShardReply::Started {
                file,
                cookie,
                blocks,
            } => {
                let writing = Writing {
                    file,
                    cookie,
                    policies,
                };
                let proofs = self
                    .write_blocks(&writing, (0, plan.scheme), blocks, random)
                    .await;
                let filled = Filled {
                    end: size,
                    last: Some((0, proofs)),
                };
                Ok((writing, filled))
            }
            _ => Err(Failure::TooLate),
        }
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

    async fn fill(
        &self,
        writing: &Writing,
        filled: &mut Filled,
        random: &mut Random,
    ) -> Outcome<()> {
        let (file, cookie) = (writing.file, writing.cookie);
        for _ in 0..random.between(1, 4) {
            let offset = filled.end;
            if random.permille(15) {
                self.dawdle(writing, random).await?;
            }
            let size = random.between(1, 20_000);
            if random.permille(50) {
                let add = C::AddHole {
                    file,
                    cookie,
                    offset,
                    size,
                };
                self.change_file(writing, add).await?;
                filled.end += size;
                continue;
            }
            let inline = u64::from(writing.policies.inline.inline_bytes_max);
            if size <= inline || random.permille(150) {
                let size = size.min(inline.max(50));
                let content = vec![b'y'; size as usize];
                let add = C::AddInline {
                    file,
                    cookie,
                    offset,
                    content,
                };
                self.change_file(writing, add).await?;
                filled.end += size;
                continue;
            }
            let plan = writing.policies.plan(size);
            let certify = filled.last.take_if(|_| random.permille(600));
            if let Some((at, proofs)) = filled.last.take() {
                self.certify(writing, at, proofs).await?;
            }
            let placed = self
                .add_extent(writing, (offset, size), certify, random)
                .await?;
            let proofs = self
                .write_blocks(writing, (offset, plan.scheme), placed, random)
                .await;
            filled.last = Some((offset, proofs));
            filled.end += size;
        }
        Ok(())
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
        let plan = writing.policies.plan(size);
        let request = AddExtent {
            file: writing.file,
            cookie: writing.cookie,
            offset,
            size,
            class: plan.class,
            layout: ExtentLayout::for_size(size, plan.scheme, plan.stripe_bytes),
            checksums: checksums(plan.scheme, random),
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
        (offset, scheme): (u64, Scheme),
        placed: Vec<PlacedBlock>,
        random: &mut Random,
    ) -> Proofs {
        let mut proofs: Proofs = vec![None; scheme.blocks()];
        let mut failed = Vec::new();
        self.placed.borrow_mut().extend(placed.iter().copied());
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

    pub(super) async fn write_block(&self, block: &PlacedBlock) -> Outcome<MacTag> {
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

fn checksums(scheme: Scheme, random: &mut Random) -> Vec<Checksum> {
    let one = |_| Checksum(random.word());
    (0..scheme.blocks()).map(one).collect()
}
