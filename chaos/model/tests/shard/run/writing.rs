//! Transient files.

use super::{NEW, Outcome, Run, SCHEME};
use crate::cluster::proof_of;
use eggs_model::{Entry, File, Piece};
use eggs_proto::shard::{
    AddExtent, ExtentProofs, NewExtent, Replace, ShardChange as C, ShardReply,
};
use eggs_proto::{AttributeChange, Checksum, Cookie, ExtentLayout, InodeId, StorageClass};

impl Run {
    pub(super) fn start(&mut self, dir: InodeId) -> (Outcome, Outcome) {
        let expected = self.model.may_start(dir);
        let real = self.cluster.change(C::CreateTransient {
            dir,
            attributes: NEW,
            note: String::new(),
        });
        let real = real.map(|reply| match reply {
            ShardReply::Transient { file, cookie } => {
                self.model.started(file);
                self.cookies.insert(file, cookie);
            }
            other => panic!("{other:?}"),
        });
        (real, expected)
    }

    pub(super) fn start_with_extent(&mut self, dir: InodeId, kind: u8) -> (Outcome, Outcome) {
        let size = u64::from(kind) * 100 + 1;
        let checksums: Vec<_> = (0..4).map(|n| Checksum(size + n)).collect();
        let expected = self.model.may_start(dir);
        let real = self.cluster.change(C::CreateWithExtent {
            dir,
            attributes: NEW,
            note: String::new(),
            extent: NewExtent {
                size,
                class: StorageClass::Hdd,
                layout: ExtentLayout::for_size(size, SCHEME, 4096),
                checksums: checksums.clone(),
                exclude: Vec::new(),
            },
        });
        let real = real.map(|reply| match reply {
            ShardReply::Started {
                file,
                cookie,
                blocks,
            } => {
                self.model.started(file);
                let piece = Piece::Blocks { size, checksums };
                self.model.append(file, piece).unwrap();
                self.cookies.insert(file, cookie);
                self.placed
                    .extend(blocks.iter().map(|block| block.facts.block));
                self.unproved.insert((file, 0), blocks);
            }
            other => panic!("{other:?}"),
        });
        (real, expected)
    }

    /// Shows the proofs of all pending extents and links, in one request.
    pub(super) fn prove_and_link(
        &mut self,
        (file, cookie): (InodeId, Cookie),
        at: Entry,
        replace: Replace,
    ) -> (Outcome, Outcome) {
        let range = (file, 0)..=(file, u64::MAX);
        if self.unproved.range(range.clone()).count() > eggs_proto::CERTIFY_EXTENTS_MAX {
            return self.prove((file, cookie)); // more than one request may show
        }
        let expected = self.model.prove_and_link(file, &at, replace);
        let pending = self.unproved.range(range);
        let certify = pending.map(|((_, offset), blocks)| ExtentProofs {
            offset: *offset,
            proofs: blocks.iter().map(|block| Some(proof_of(block))).collect(),
        });
        let change = C::CertifyAndLink {
            file,
            cookie,
            certify: certify.collect(),
            dir: at.dir,
            name: at.name,
            replace,
            attributes: AttributeChange::default(),
        };
        let real = self.change(change);
        if real.is_ok() {
            self.unproved.retain(|at, _| at.0 != file);
        }
        (real, expected)
    }

    pub(super) fn append(
        &mut self,
        (file, cookie): (InodeId, Cookie),
        kind: u8,
    ) -> (Outcome, Outcome) {
        let offset = self.model.files.get(&file).map_or(0, File::size);
        let bytes = u64::from(kind) * 100;
        let (piece, change) = match kind % 3 {
            0 => {
                let content = vec![kind; bytes as usize % 16384];
                let piece = Piece::Bytes(content.clone());
                let change = C::AddInline {
                    file,
                    cookie,
                    offset,
                    content,
                };
                (piece, change)
            }
            1 => {
                let size = bytes;
                let change = C::AddHole {
                    file,
                    cookie,
                    offset,
                    size,
                };
                (Piece::Zeros(size), change)
            }
            _ => {
                let checksums: Vec<_> = (0..4).map(|n| Checksum(bytes + n)).collect();
                let change = C::AddExtent(AddExtent {
                    file,
                    cookie,
                    offset,
                    size: bytes,
                    class: StorageClass::Hdd,
                    layout: ExtentLayout::for_size(bytes, SCHEME, 4096),
                    checksums: checksums.clone(),
                    exclude: Vec::new(),
                    certify: None,
                });
                let size = bytes;
                (Piece::Blocks { size, checksums }, change)
            }
        };
        let expected = self.model.append(file, piece);
        let real = self.cluster.change(change).map(|reply| {
            if let ShardReply::Placed(blocks) = reply {
                self.placed
                    .extend(blocks.iter().map(|block| block.facts.block));
                self.unproved.insert((file, offset), blocks);
            }
        });
        (real, expected)
    }

    /// Writes the blocks of a file, replacing one first, and certifies its extents; one in three lacks a block.
    pub(super) fn prove(&mut self, (file, cookie): (InodeId, Cookie)) -> (Outcome, Outcome) {
        let expected = self.model.prove(file);
        let range = (file, 0)..=(file, u64::MAX);
        let pending: Vec<_> = self.unproved.range(range).map(|(at, _)| at.1).collect();
        let mut real = self.change(C::KeepAlive { file, cookie });
        for offset in pending {
            let mut blocks = self.unproved.remove(&(file, offset)).unwrap();
            let replaced = self.cluster.change(C::ReplaceBlocks {
                file,
                cookie,
                offset,
                indexes: vec![1],
                exclude: Vec::new(),
            });
            if let Ok(ShardReply::Placed(new)) = &replaced {
                self.placed.insert(new[0].facts.block);
                blocks[1] = new[0];
            }
            let mut proofs: Vec<_> = blocks.iter().map(|block| Some(proof_of(block))).collect();
            if offset % 3 == 0 {
                proofs[2] = None;
            }
            let certified = self.change(C::CertifyExtent {
                file,
                cookie,
                offset,
                proofs,
            });
            real = real.and(replaced.map(|_| ())).and(certified);
        }
        (real, expected)
    }

    pub(super) fn scrap(&mut self, (file, cookie): (InodeId, Cookie)) -> (Outcome, Outcome) {
        let expected = self.model.scrap(file);
        let real = self.change(C::Scrap { file, cookie });
        if real.is_ok() {
            self.unproved.retain(|at, _| at.0 != file);
            self.destroy(file);
        }
        (real, expected)
    }

    /// Destroys an expired file.
    pub(super) fn destroy(&mut self, file: InodeId) {
        loop {
            match self.cluster.change(C::DestroyTransient { file }) {
                Ok(ShardReply::Progress { finished: true }) => return,
                Ok(ShardReply::Progress { finished: false }) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub(super) fn link(
        &mut self,
        (file, cookie): (InodeId, Cookie),
        at: Entry,
        replace: Replace,
    ) -> (Outcome, Outcome) {
        let expected = self.model.link(file, &at, replace);
        let real = self.change(C::Link {
            file,
            cookie,
            dir: at.dir,
            name: at.name,
            replace,
            attributes: AttributeChange::default(),
        });
        (real, expected)
    }
}
