//! Draws nonsense from a small world.

use eggs_proto::audit::{RecountFrom, ShardRepair};
use eggs_proto::shard::{
    DirectoryOutcome, ErasedBlock, ExtentProofs, HealTarget, LockPurpose, ReleaseAction, Replace,
    ShardChange as C, ShardQuery, ShardReply, SnapshotKey,
};
use eggs_proto::tree::{TreeReport, TreeSums, TreeTotals};
use eggs_proto::{
    AttributeChange, BlockFacts, BlockId, BlockServiceId, Checksum, Cookie, ExtentBlock,
    ExtentBody, FileTime, InodeId, InodeKind, MacTag, Name, NameHash, NewAttributes, NewTime,
    Policy, PolicyKind, ShardId, StorageClass, StripePolicy, Time, TransactionId, XattrMode,
    XattrName,
};

use crate::random::Random;
use crate::testing::{Bench, NEW, extent_request, key_of, name, new_extent};
use crate::{CheckedProof, Prepared, Verdict};

/// Draws changes from a small world, so that they often meet.
pub(super) struct Dice {
    random: Random,
    /// Transient files seen, and guesses.
    files: Vec<(InodeId, Cookie)>,
    snapshots: Vec<(InodeId, SnapshotKey, InodeId)>,
    garbage: Vec<BlockFacts>,
}

impl Dice {
    pub(super) fn new(seed: u64, bench: &Bench, files: &[(InodeId, Cookie)]) -> Self {
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&seed.to_le_bytes());
        let mut snapshots = Vec::new();
        for dir in [InodeId::ROOT, dir_of(1)] {
            if bench.stat(dir).is_ok() {
                let found = bench.snapshots(dir).into_iter();
                snapshots.extend(found.map(|snapshot| (dir, snapshot.key, snapshot.inode)));
            }
        }
        let garbage = bench.garbage().iter().map(|block| block.facts).collect();
        Self {
            random: Random::new(&entropy),
            files: files.to_vec(),
            snapshots,
            garbage,
        }
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.random.below(u128::from(end)) as u64
    }

    pub(super) fn of<T: Clone>(&mut self, list: &[T]) -> Option<T> {
        let end = list.len().max(1) as u64;
        list.get(self.below(end) as usize).cloned()
    }

    pub(super) fn number(&mut self) -> u64 {
        let numbers = [0, 1, 4096, 100_000, 1 << 60, u64::MAX];
        let any = self.below(200_000);
        self.of(&numbers)
            .filter(|_| any.is_multiple_of(2))
            .unwrap_or(any)
    }

    pub(super) fn name(&mut self) -> Name {
        let text = ["a", "b", "c"][self.below(3) as usize];
        name(text)
    }

    pub(super) fn xattr(&mut self) -> XattrName {
        let text = ["user.a", "user.b", "user.c", "user.d", "user.e"][self.below(5) as usize];
        XattrName::new(text).expect("a good name")
    }

    pub(super) fn dir(&mut self) -> InodeId {
        match self.below(8) {
            0..=3 => InodeId::ROOT,
            4..=6 => dir_of(self.below(3)),
            _ => self.inode(),
        }
    }

    fn dir_or_inode(&mut self) -> InodeId {
        match self.below(2) {
            0 => self.dir(),
            _ => self.inode(),
        }
    }

    pub(super) fn inode(&mut self) -> InodeId {
        let kinds = [InodeKind::Directory, InodeKind::File, InodeKind::Symlink];
        let kind = kinds[self.below(3) as usize];
        let shard = ShardId(u8::from(self.below(5) == 0));
        InodeId::new(kind, shard, self.below(8))
    }

    pub(super) fn file(&mut self) -> (InodeId, Cookie) {
        let guess = (self.inode(), Cookie(self.below(3)));
        let known = self.files.clone();
        let recent = known[known.len().saturating_sub(2)..].to_vec();
        if self.below(10) == 0 {
            guess
        } else {
            self.of(&recent).unwrap_or(guess)
        }
    }

    pub(super) fn transaction(&mut self) -> TransactionId {
        TransactionId(self.below(2))
    }

    pub(super) fn replace(&mut self) -> Replace {
        [Replace::Never, Replace::Files, Replace::Exchange][self.below(3) as usize]
    }

    pub(super) fn attributes(&mut self) -> NewAttributes {
        NewAttributes {
            mode: self.below(0o20000) as u32,
            mtime: Some(FileTime(-1)).filter(|_| self.below(2) == 0),
            ..NEW
        }
    }

    pub(super) fn attribute_change(&mut self) -> AttributeChange {
        AttributeChange {
            mode: Some(0o600).filter(|_| self.below(2) == 0),
            mtime: Some(NewTime::At(FileTime(i64::MIN))).filter(|_| self.below(2) == 0),
            atime: Some(NewTime::Now).filter(|_| self.below(2) == 0),
            ..AttributeChange::default()
        }
    }

    pub(super) fn content(&mut self) -> Vec<u8> {
        vec![1; [0, 100, 256, 257, 16 << 10, (16 << 10) + 1][self.below(6) as usize]]
    }

    pub(super) fn snapshot(&mut self) -> (InodeId, SnapshotKey, InodeId) {
        let known = self.snapshots.clone();
        let guess = SnapshotKey {
            hash: NameHash(self.number()),
            name: self.name(),
            created: Time(self.number()),
        };
        let guess = (self.dir(), guess, self.inode());
        self.of(&known).unwrap_or(guess)
    }

    /// Proofs of the blocks of an extent, mostly genuine.
    pub(super) fn proofs(
        &mut self,
        bench: &Bench,
        file: InodeId,
        offset: u64,
    ) -> Vec<Option<MacTag>> {
        let none = vec![None; self.below(8) as usize];
        let Ok(stat) = bench.stat(file) else {
            return none;
        };
        if stat.inode.kind() != InodeKind::File {
            return none;
        }
        let extents = bench.extents(file);
        let Some(extent) = extents.iter().find(|extent| extent.offset == offset) else {
            return none;
        };
        let eggs_proto::ExtentBody::Blocks { layout, blocks, .. } = &extent.body else {
            return none;
        };
        let mut proofs = Vec::new();
        for block in blocks {
            let facts = crate::state::block_facts(layout, block);
            let tag =
                key_of(block.service).map(|key| key.sign(eggs_proto::Statement::Written, &facts));
            proofs.push(tag.filter(|_| self.below(20) > 0));
        }
        proofs
    }

    /// Some blocks of a file; of one that has any, mostly.
    fn heal_target(&mut self, bench: &Bench) -> HealTarget {
        let visit = ShardQuery::VisitFiles {
            after: None,
            limit: 100,
        };
        let Ok(ShardReply::Inodes { inodes, .. }) = bench.query(&visit) else {
            panic!("no files");
        };
        let visit = ShardQuery::VisitTransients {
            after: None,
            limit: 100,
        };
        let Ok(ShardReply::Transients { transients, .. }) = bench.query(&visit) else {
            panic!("no transient files");
        };
        let is_linked = |file: &&InodeId| transients.iter().all(|info| info.file != **file);
        let of_blocks = |file: &InodeId| match bench.extents(*file).first()?.body.clone() {
            ExtentBody::Blocks { blocks, .. } => Some((*file, blocks)),
            ExtentBody::Inline(_) | ExtentBody::Hole => None,
        };
        let files = inodes
            .iter()
            .filter(|file| file.kind() == InodeKind::File)
            .filter(is_linked);
        let known: Vec<(InodeId, Vec<ExtentBlock>)> = files.filter_map(of_blocks).collect();
        let (file, blocks) = self.of(&known).unwrap_or((self.inode(), Vec::new()));
        let mut seen: Vec<BlockId> = blocks.iter().map(|block| block.block).collect();
        if self.below(10) == 0 {
            seen.pop();
        }
        HealTarget {
            file,
            offset: [0, self.number()][usize::from(self.below(10) == 0)],
            indexes: (0..=self.below(2))
                .map(|n| (n * 3 + self.below(3)) as u8)
                .collect(),
            seen,
        }
    }

    fn healing(&mut self, bench: &Bench) -> C {
        let mut target = self.heal_target(bench);
        if self.below(2) == 0 {
            return C::BeginHeal {
                target,
                exclude: vec![BlockServiceId(self.below(17))],
            };
        }
        let ours = |file: &(InodeId, Cookie)| {
            let stat = bench.stat(file.0);
            stat.is_ok_and(|stat| stat.mode == 0 && stat.physical_bytes > 0)
        };
        let begun: Vec<_> = self.files.iter().copied().filter(ours).collect();
        let (scratch, cookie) = self.of(&begun).unwrap_or(self.file());
        let there = bench
            .stat(scratch)
            .is_ok_and(|stat| stat.inode.kind() == InodeKind::File);
        let found = if there {
            bench.extents(scratch)
        } else {
            Vec::new()
        };
        if let Some(extent) = found.first()
            && let ExtentBody::Blocks { blocks, .. } = &extent.body
        {
            // Blocks of the files here have their positions for checksums.
            target.indexes = blocks.iter().map(|block| block.checksum.0 as u8).collect();
        }
        C::FinishHeal {
            scratch,
            cookie,
            proofs: self.proofs(bench, scratch, 0),
            target,
        }
    }

    pub(super) fn offset(&mut self, bench: &Bench, file: InodeId) -> u64 {
        let end = bench.stat(file).map_or(0, |stat| stat.size);
        let begin = 100_000 * self.below(3);
        match self.below(12) {
            0 => self.number(),
            1..=5 => begin,
            _ => end,
        }
    }

    pub(super) fn change(&mut self, bench: &Bench) -> C {
        match self.below(7) {
            6 => self.healing(bench),
            0..=1 => self.content_change(bench),
            2..=3 => self.name_change(bench),
            4 => self.step(),
            _ => self.collection(),
        }
    }

    pub(super) fn content_change(&mut self, bench: &Bench) -> C {
        let (file, cookie) = self.file();
        let offset = self.offset(bench, file);
        match self.below(11) {
            10 => C::CreateWithExtent {
                dir: self.dir(),
                attributes: self.attributes(),
                note: String::new(),
                extent: new_extent(),
            },
            0 => C::CreateTransient {
                dir: InodeId::ROOT,
                attributes: NEW,
                note: "é".repeat(self.below(300) as usize),
            },
            1 => C::AddInline {
                file,
                cookie,
                offset,
                content: self.content(),
            },
            2 => C::AddHole {
                file,
                cookie,
                offset,
                size: self.number(),
            },
            3..=4 => {
                let mut request = extent_request((file, cookie), offset);
                if self.below(5) == 0 {
                    request.size = self.number();
                }
                if self.below(3) == 0 {
                    let at = offset.saturating_sub(100_000);
                    request.certify = Some((at, self.proofs(bench, file, at)));
                }
                C::AddExtent(request)
            }
            5 => C::ReplaceBlocks {
                file,
                cookie,
                offset,
                indexes: (0..self.below(4)).map(|n| (n * 2) as u8).collect(),
                exclude: vec![BlockServiceId(self.below(17))],
            },
            6..=8 => C::CertifyExtent {
                file,
                cookie,
                offset,
                proofs: self.proofs(bench, file, offset),
            },
            _ if self.below(4) == 0 => C::AdvanceTime,
            _ => C::KeepAlive { file, cookie },
        }
    }

    pub(super) fn name_change(&mut self, bench: &Bench) -> C {
        let (file, cookie) = self.file();
        let (dir, name) = (self.dir(), self.name());
        match self.below(13) {
            10..=11 => C::SetXattr {
                inode: self.dir_or_inode(),
                name: self.xattr(),
                value: vec![1; self.below(70_000) as usize],
                mode: [XattrMode::Set, XattrMode::Create, XattrMode::Replace]
                    [self.below(3) as usize],
            },
            12 => C::RemoveXattr {
                inode: self.dir_or_inode(),
                name: self.xattr(),
            },
            9 => {
                let offset = self.offset(bench, file);
                let certify = [offset, offset.saturating_sub(100_000)];
                C::CertifyAndLink {
                    file,
                    cookie,
                    certify: certify
                        .map(|offset| ExtentProofs {
                            offset,
                            proofs: self.proofs(bench, file, offset),
                        })
                        .into_iter()
                        .take(self.below(3) as usize)
                        .collect(),
                    dir,
                    name,
                    replace: self.replace(),
                    attributes: self.attribute_change(),
                }
            }
            0..=1 => C::Link {
                file,
                cookie,
                dir,
                name,
                replace: self.replace(),
                attributes: self.attribute_change(),
            },
            2 if self.below(3) == 0 => C::Reserve {
                dir,
                count: self.below(5) as u8,
            },
            2 if self.below(2) == 0 => C::CreateReserved {
                file,
                cookie,
                dir,
                name,
                replace: self.replace(),
                attributes: self.attributes(),
                content: self.content(),
            },
            2 => C::CreateFile {
                dir,
                name,
                replace: self.replace(),
                attributes: self.attributes(),
                content: self.content(),
            },
            3 => C::Symlink {
                dir,
                name,
                target: self.content(),
                attributes: self.attributes(),
            },
            4 => C::Unlink {
                dir,
                name,
                expected: None,
            },
            5 => C::Rename {
                dir,
                source: name,
                target: self.name(),
                replace: self.replace(),
            },
            6 => C::SetAttributes {
                inode: self.inode(),
                change: self.attribute_change(),
            },
            7 => C::SetPolicy {
                dir,
                policy: Policy::Stripe(StripePolicy {
                    stripe_bytes: self.number() as u32,
                }),
            },
            _ => C::ClearPolicy {
                dir,
                kind: PolicyKind::Stripe,
            },
        }
    }

    pub(super) fn step(&mut self) -> C {
        let (dir, name, transaction) = (self.dir(), self.name(), self.transaction());
        let (home, key, inode) = self.snapshot();
        match self.below(12) {
            8 => C::ReviveDirectory {
                dir: self.dir(),
                transaction,
            },
            9..=10 => C::LockVersion {
                dir: home,
                name,
                key,
                inode,
                transaction,
            },
            11 => C::RestoreDentry {
                dir: home,
                name,
                key,
                inode,
                transaction,
            },
            0 => C::CreateDirectory {
                dir,
                parent: self.dir(),
                attributes: self.attributes(),
                transaction,
            },
            1 => C::AbandonDirectory { dir, transaction },
            2 => C::LinkDirectory {
                parent: dir,
                name,
                dir: self.dir(),
                transaction,
            },
            3..=4 => C::LockDentry {
                dir,
                name,
                purpose: self.purpose(),
                transaction,
            },
            5 => C::ReleaseDentry {
                dir,
                name,
                action: self.action(),
                transaction,
            },
            6 => C::DetachDirectory { dir, transaction },
            _ => C::SettleDirectory {
                dir,
                outcome: match self.below(3) {
                    0 => DirectoryOutcome::Attached,
                    1 => DirectoryOutcome::Removed,
                    _ => DirectoryOutcome::Moved { parent: self.dir() },
                },
                transaction,
            },
        }
    }

    pub(super) fn purpose(&mut self) -> LockPurpose {
        match self.below(2) {
            0 => LockPurpose::Source { expected: None },
            _ => LockPurpose::Target {
                replace: self.replace(),
                kind: self.inode().kind(),
            },
        }
    }

    pub(super) fn action(&mut self) -> ReleaseAction {
        match self.below(5) {
            0 => ReleaseAction::Keep,
            1..=2 => ReleaseAction::Set {
                inode: self.inode(),
            },
            3 => ReleaseAction::RemoveMoved,
            _ => ReleaseAction::RemoveDeleted,
        }
    }

    pub(super) fn collection(&mut self) -> C {
        let (dir, key, inode) = self.snapshot();
        match self.below(9) {
            8 => C::Undelete {
                dir,
                key,
                inode,
                name: self.name(),
                replace: self.replace(),
            },
            0 => C::Scrap {
                file: self.file().0,
                cookie: self.file().1,
            },
            1..=2 => C::DestroyTransient { file: self.inode() },
            3..=4 => C::CollectSnapshot { dir, key, inode },
            5 => C::BeginCollect { dir, key, inode },
            6 => C::ScrapForeign {
                inode: self.inode(),
            },
            _ if self.below(2) == 0 => C::RemoveDirectory { dir: self.dir() },
            _ if self.below(2) == 0 => C::Repair(self.repair()),
            _ if self.below(3) == 0 => C::ReportTrees {
                reports: vec![self.report(), self.report()],
            },
            _ if self.below(3) == 0 => C::SettleTrees {
                reported: vec![(self.dir(), Time(self.number()))],
            },
            _ => C::GarbageErased {
                erased: self.erased(),
            },
        }
    }

    pub(super) fn report(&mut self) -> TreeReport {
        let sums = TreeSums {
            files: self.number(),
            directories: 1,
            bytes: u128::from(self.number()),
            physical_bytes: u128::MAX,
        };
        TreeReport {
            parent: self.dir(),
            child: self.inode(),
            version: Time(self.number()),
            totals: TreeTotals {
                current: sums,
                old: sums,
            },
        }
    }

    /// All but `Owners`, which may only be asked for by who has looked at all names.
    pub(super) fn repair(&mut self) -> ShardRepair {
        let shard = ShardId(u8::from(self.below(9) == 0));
        let (file, dir) = (self.inode(), self.dir());
        let known = self.dir();
        match self.below(13) {
            0 => ShardRepair::Directory { dir },
            1 => ShardRepair::File { file },
            2 => ShardRepair::ServiceIndex {
                service: BlockServiceId(self.below(20)),
                file,
            },
            3 => ShardRepair::DeadlineIndex {
                deadline: Time(self.number()),
                file,
            },
            4 => ShardRepair::Parent {
                dir: self.dir(),
                known,
                parent: dir,
            },
            5 => ShardRepair::Adopt {
                dir,
                name: self.name(),
                inode: file,
            },
            6 => ShardRepair::Recount {
                shard,
                from: RecountFrom::Here,
            },
            7 => ShardRepair::Recount {
                shard,
                from: RecountFrom::Beginning,
            },
            8 => ShardRepair::ForgetReport { dir, child: known },
            9 => ShardRepair::ReportAgain { dir },
            10 => ShardRepair::GoOn { inode: file },
            11 => ShardRepair::Carry {
                dir,
                name: self.name(),
            },
            _ => ShardRepair::GoOn { inode: dir },
        }
    }

    pub(super) fn erased(&mut self) -> Vec<ErasedBlock> {
        let known = self.garbage.clone();
        let Some(facts) = self.of(&known) else {
            return vec![ErasedBlock {
                block: BlockId(self.number()),
                proof: MacTag([0; 16]),
            }];
        };
        let key = key_of(facts.service).expect("all garbage is on known services");
        vec![ErasedBlock {
            block: facts.block,
            proof: key.sign(eggs_proto::Statement::Erased, &facts),
        }]
    }

    /// What no honest leader would prepare.
    pub(super) fn prepared(&mut self) -> Prepared {
        let service = |n: u64| Some(BlockServiceId(n % 20)).filter(|_| !n.is_multiple_of(7));
        let services: Vec<_> = (0..self.below(8)).map(|_| service(self.number())).collect();
        match self.below(8) {
            7 => Prepared::Healing {
                cookie: Cookie(self.below(3)),
                services,
            },
            5 => Prepared::Started {
                cookie: Cookie(self.below(3)),
                class: StorageClass::Hdd,
                services,
            },
            6 => Prepared::ProvedAll(vec![Vec::new(); self.below(3) as usize]),
            0 => Prepared::Nothing,
            1 => Prepared::Cookie(Cookie(self.below(3))),
            2 => Prepared::Placed {
                class: StorageClass::Flash,
                services,
                certified: None,
            },
            3 => Prepared::Replaced {
                seen: (0..6).map(|_| BlockId(self.below(30) << 8)).collect(),
                services,
            },
            _ => Prepared::Proved(vec![
                CheckedProof {
                    facts: BlockFacts {
                        service: BlockServiceId(1),
                        block: BlockId(1),
                        size: 1,
                        checksum: Checksum(1),
                    },
                    verdict: Verdict::Genuine,
                };
                6
            ]),
        }
    }
}

pub(super) fn dir_of(counter: u64) -> InodeId {
    InodeId::new(InodeKind::Directory, ShardId(0), counter)
}
