//! The leader's part of a change: what is not deterministic.
//!
//! **Invariant:** what depends on the state or on the cluster map is never refused here but through the log
//! ([`Prepared::Refused`]), because only the reply table knows whether the change has happened before.
//!
//! The state may be older than the log, on a leader that has just been elected: what it lacks is left for `apply`
//! to decide, which answers `Locked` (ask again) where the leader had seen less than there is.

use std::collections::BTreeSet;

use eggs_machine::bugs::{Bug, planted};
use eggs_machine::{Fault, StoreRead};
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::{
    AddExtent, ErasedBlock, ExtentProofs, HealTarget, NewExtent, ShardChange as C,
};
use eggs_proto::{
    BlockFacts, BlockServiceId, BlockState, CERTIFY_EXTENTS_MAX, ClusterMap, Cookie, EXCLUDE_MAX,
    ExtentBlock, ExtentBody, ExtentLayout, FailureDomainId, InodeId, InvalidArgument,
    LIST_ENTRIES_MAX, MacTag, MostFree, Refusal, ServiceKey, ShardId, Statement, StorageClass,
    Time,
};

use crate::apply::check_origin;
use crate::placement::share::Shares;
use crate::placement::{Demand, place_extent, place_some};
use crate::random::Random;
use crate::state::{Reader, block_facts};
use crate::step::{Step, Stop, split};
use crate::{CheckedProof, Prepared, ShardCommand, Verdict};

/// How many extents of a file are looked at to keep it on few services.
const STICKY_EXTENTS: usize = 4;

/// What the leader knows besides the state.
pub struct PrepareContext<'a> {
    /// Which disks there are.
    pub map: &'a ClusterMap,
    /// Keys of block services.
    pub keys: &'a dyn Fn(BlockServiceId) -> Option<ServiceKey>,
    /// The most free space of any disk in the map.
    pub most_free: MostFree,
    /// How much of its share of new blocks each disk is given.
    pub shares: &'a Shares,
    /// Fresh random bytes, never used for another change.
    pub entropy: [u8; 32],
    /// Who asks.
    pub origin: PeerRole,
    /// The leader's clock.
    pub now: Time,
}

/// Decides what is not deterministic. A refusal returned here holds for every retry as well; all others
/// travel in the command.
pub fn prepare(
    shard: ShardId,
    store: &dyn StoreRead,
    context: &PrepareContext<'_>,
    change: C,
) -> Result<Result<ShardCommand, Refusal>, Fault> {
    if let Err(refusal) = check_origin(&change, context.origin) {
        return Ok(Err(refusal));
    }
    let read = Reader::new(shard, store);
    let prepared = match split(decide(read, context, &change))? {
        Ok(prepared) => prepared,
        Err(refusal) => Prepared::Refused(refusal),
    };
    Ok(Ok(ShardCommand {
        change,
        origin: context.origin,
        prepared,
    }))
}

fn decide(read: Reader<'_>, context: &PrepareContext<'_>, change: &C) -> Step<Prepared> {
    match change {
        C::CreateTransient { .. } | C::Reserve { .. } => {
            Ok(Prepared::Cookie(cookie(&context.entropy)))
        }
        C::AddExtent(request) => place(read, context, request),
        C::ReplaceBlocks {
            file,
            offset,
            indexes,
            exclude,
            ..
        } => replace(read, context, (*file, *offset), indexes, exclude),
        C::CertifyExtent {
            file,
            offset,
            proofs,
            ..
        } => Ok(Prepared::Proved(verify(
            read, context, *file, *offset, proofs,
        )?)),
        C::CreateWithExtent { extent, .. } => start(context, extent),
        C::CertifyAndLink { file, certify, .. } => verify_all(read, context, *file, certify),
        C::BeginHeal { target, exclude } => heal(read, context, target, exclude),
        C::FinishHeal {
            scratch, proofs, ..
        } => Ok(Prepared::Proved(verify(
            read, context, *scratch, 0, proofs,
        )?)),
        C::GarbageErased { erased } => Ok(Prepared::Erased(verify_erased(read, context, erased)?)),
        C::AddInline { .. }
        | C::AddHole { .. }
        | C::Link { .. }
        | C::CreateFile { .. }
        | C::Symlink { .. }
        | C::KeepAlive { .. }
        | C::Scrap { .. }
        | C::Unlink { .. }
        | C::Rename { .. }
        | C::SetAttributes { .. }
        | C::SetPolicy { .. }
        | C::ClearPolicy { .. }
        | C::DestroyTransient { .. }
        | C::CollectSnapshot { .. }
        | C::BeginCollect { .. }
        | C::ScrapForeign { .. }
        | C::RemoveDirectory { .. }
        | C::CreateDirectory { .. }
        | C::AbandonDirectory { .. }
        | C::LinkDirectory { .. }
        | C::LockDentry { .. }
        | C::ReleaseDentry { .. }
        | C::DetachDirectory { .. }
        | C::SettleDirectory { .. }
        | C::Undelete { .. }
        | C::ReviveDirectory { .. }
        | C::LockVersion { .. }
        | C::RestoreDentry { .. }
        | C::CreateReserved { .. }
        | C::SetXattr { .. }
        | C::RemoveXattr { .. }
        | C::Repair(_)
        | C::ReportTrees { .. }
        | C::SettleTrees { .. }
        | C::AdvanceTime => Ok(Prepared::Nothing),
    }
}

fn cookie(entropy: &[u8; 32]) -> Cookie {
    let mut bytes = [0u8; 8];
    bytes.copy_from_slice(&entropy[..8]);
    Cookie(u64::from_le_bytes(bytes))
}

fn place(read: Reader<'_>, context: &PrepareContext<'_>, request: &AddExtent) -> Step<Prepared> {
    let certified = match &request.certify {
        Some((offset, proofs)) => Some(verify(read, context, request.file, *offset, proofs)?),
        None => None,
    };
    let wanted = Wanted {
        size: request.size,
        class: request.class,
        layout: request.layout,
        sticky: &services_of(read, request.file)?,
        exclude: &request.exclude,
    };
    let (class, services) = choose(context, &wanted)?;
    Ok(Prepared::Placed {
        class,
        services,
        certified,
    })
}

/// For a new file and its first extent.
fn start(context: &PrepareContext<'_>, extent: &NewExtent) -> Step<Prepared> {
    let wanted = Wanted {
        size: extent.size,
        class: extent.class,
        layout: extent.layout,
        sticky: &[],
        exclude: &extent.exclude,
    };
    let (class, services) = choose(context, &wanted)?;
    Ok(Prepared::Started {
        cookie: cookie(&context.entropy),
        class,
        services,
    })
}

/// An extent that needs places.
struct Wanted<'a> {
    size: u64,
    class: StorageClass,
    layout: ExtentLayout,
    /// Services that the file is on already.
    sticky: &'a [BlockServiceId],
    exclude: &'a [BlockServiceId],
}

/// Services for all blocks of an extent; the class may be another one if the one asked for is short of domains.
fn choose(
    context: &PrepareContext<'_>,
    wanted: &Wanted<'_>,
) -> Step<(StorageClass, Vec<Option<BlockServiceId>>)> {
    check_exclude(wanted.exclude)?;
    if !wanted.layout.fits(wanted.size) {
        return Err(eggs_proto::ExtentProblem::Sizes.into());
    }
    let demand = Demand {
        class: wanted.class,
        block_bytes: wanted.layout.block_bytes(),
        sticky: wanted.sticky,
        exclude: wanted.exclude,
        occupied: &BTreeSet::new(),
        usable: &|service| (context.keys)(service).is_some(),
        most_free: context.most_free,
        shares: context.shares,
    };
    let mut random = Random::new(&context.entropy);
    let scheme = wanted.layout.scheme;
    Ok(place_extent(context.map, &demand, scheme, &mut random)?)
}

fn check_exclude(exclude: &[BlockServiceId]) -> Result<(), Refusal> {
    if exclude.len() > EXCLUDE_MAX {
        return Err(Refusal::Invalid(InvalidArgument::List));
    }
    Ok(())
}

/// Where the last extents of a file are, the most recent first.
fn services_of(read: Reader<'_>, file: InodeId) -> Step<Vec<BlockServiceId>> {
    let mut services = Vec::new();
    for record in read.extents_until(file, u64::MAX, STICKY_EXTENTS)? {
        for service in crate::state::services(&record.extent) {
            if service != BlockServiceId::NOWHERE && !services.contains(&service) {
                services.push(service);
            }
        }
    }
    Ok(services)
}

fn replace(
    read: Reader<'_>,
    context: &PrepareContext<'_>,
    (file, offset): (InodeId, u64),
    indexes: &[u8],
    exclude: &[BlockServiceId],
) -> Step<Prepared> {
    check_exclude(exclude)?;
    let nothing = Prepared::Replaced {
        seen: Vec::new(),
        services: Vec::new(),
    };
    let Some(record) = read.extent(file, offset)? else {
        return Ok(nothing); // for apply to refuse
    };
    let ExtentBody::Blocks {
        class,
        layout,
        blocks,
    } = record.extent.body
    else {
        return Ok(nothing);
    };
    if indexes.len() > blocks.len() {
        return Ok(nothing);
    }
    // Whatever made the writer ask, it was with these.
    let failed = blocks_at(&blocks, indexes).map(|block| block.service);
    let places = Places {
        class,
        block_bytes: layout.block_bytes(),
        blocks: &blocks,
        indexes,
        exclude: exclude.iter().copied().chain(failed).collect(),
    };
    Ok(Prepared::Replaced {
        seen: blocks.iter().map(|block| block.block).collect(),
        services: places.choose(context, &services_of(read, file)?),
    })
}

/// Places for blocks of a linked file that are made again.
fn heal(
    read: Reader<'_>,
    context: &PrepareContext<'_>,
    target: &HealTarget,
    exclude: &[BlockServiceId],
) -> Step<Prepared> {
    check_exclude(exclude)?;
    let record = read.extent(target.file, target.offset)?;
    let Some(ExtentBody::Blocks {
        class,
        layout,
        blocks,
    }) = record.map(|record| record.extent.body)
    else {
        return Err(Refusal::Changed.into());
    };
    if target.indexes.len() > blocks.len() {
        return Err(InvalidArgument::List.into());
    }
    let places = Places {
        class,
        block_bytes: layout.block_bytes(),
        blocks: &blocks,
        indexes: &target.indexes,
        exclude: exclude.to_vec(),
    };
    // A disk on which a block has rotted may take its successor, but is not the first choice.
    let mut sticky = services_of(read, target.file)?;
    sticky.retain(|service| {
        blocks_at(&blocks, &target.indexes).all(|block| block.service != *service)
    });
    Ok(Prepared::Healing {
        cookie: cookie(&context.entropy),
        services: places.choose_apart(context, &sticky),
    })
}

fn blocks_at<'a>(
    blocks: &'a [ExtentBlock],
    indexes: &'a [u8],
) -> impl Iterator<Item = &'a ExtentBlock> {
    let at = |index: &u8| blocks.get(usize::from(*index));
    indexes.iter().filter_map(at)
}

/// Some blocks of an extent that go elsewhere.
struct Places<'a> {
    class: StorageClass,
    block_bytes: u64,
    blocks: &'a [ExtentBlock],
    indexes: &'a [u8],
    exclude: Vec<BlockServiceId>,
}

impl Places<'_> {
    /// Services for blocks that go all together: in failure domains that no block which stays is in.
    fn choose(
        &self,
        context: &PrepareContext<'_>,
        sticky: &[BlockServiceId],
    ) -> Vec<Option<BlockServiceId>> {
        let mut random = Random::new(&context.entropy);
        let leaving = (self.indexes, self.indexes.len());
        self.draw(context, sticky, leaving, &[], &mut random)
    }

    /// Services for blocks each of which may go or stay, because its successor cannot be written: in failure domains that no
    /// other block of the extent is in, old or new.
    fn choose_apart(
        &self,
        context: &PrepareContext<'_>,
        sticky: &[BlockServiceId],
    ) -> Vec<Option<BlockServiceId>> {
        let mut random = Random::new(&context.entropy);
        let mut chosen: Vec<Option<BlockServiceId>> = Vec::new();
        for index in self.indexes {
            let taken: Vec<BlockServiceId> = chosen.iter().flatten().copied().collect();
            let leaving = (std::slice::from_ref(index), 1);
            chosen.extend(self.draw(context, sticky, leaving, &taken, &mut random));
        }
        chosen
    }

    /// Services for some blocks, apart from those that do not leave and from services that are taken.
    fn draw(
        &self,
        context: &PrepareContext<'_>,
        sticky: &[BlockServiceId],
        (leaving, count): (&[u8], usize),
        taken: &[BlockServiceId],
        random: &mut Random,
    ) -> Vec<Option<BlockServiceId>> {
        let stays = |index: u8, block: &ExtentBlock| {
            block.state != BlockState::Missing && !leaving.contains(&index)
        };
        let numbered = (0u8..).zip(self.blocks);
        let staying = numbered.filter(|(index, block)| stays(*index, block));
        let others = staying.map(|(_, block)| block.service);
        let others: Vec<BlockServiceId> = others.chain(taken.iter().copied()).collect();
        let domain = |service: &BlockServiceId| Some(context.map.service(*service)?.domain);
        let occupied: BTreeSet<FailureDomainId> = others.iter().filter_map(domain).collect();
        let exclude = [&self.exclude[..], &others].concat();
        let demand = Demand {
            class: self.class,
            block_bytes: self.block_bytes,
            sticky,
            exclude: &exclude,
            occupied: &occupied,
            usable: &|service| (context.keys)(service).is_some(),
            most_free: context.most_free,
            shares: context.shares,
        };
        place_some(context.map, &demand, count, random)
    }
}

/// The blocks of an extent and what their proofs are worth.
fn verify(
    read: Reader<'_>,
    context: &PrepareContext<'_>,
    file: InodeId,
    offset: u64,
    proofs: &[Option<MacTag>],
) -> Step<Vec<CheckedProof>> {
    let Some(record) = read.extent(file, offset)? else {
        return Ok(Vec::new()); // for apply to refuse
    };
    let ExtentBody::Blocks { layout, blocks, .. } = record.extent.body else {
        return Ok(Vec::new());
    };
    if proofs.len() != blocks.len() {
        return Err(eggs_proto::ExtentProblem::Sizes.into());
    }
    let proves_another = |tag: &MacTag| {
        let proves = |block: &ExtentBlock| {
            let facts = block_facts(&layout, block);
            (context.keys)(facts.service)
                .is_some_and(|key| key.verify(Statement::Written, &facts, tag))
        };
        planted(Bug::ProofOfAnotherBlockAccepted) && blocks.iter().any(proves)
    };
    let check = |(block, proof): (&ExtentBlock, &Option<MacTag>)| {
        let facts = block_facts(&layout, block);
        let verdict = match (proof, (context.keys)(facts.service)) {
            (None, _) => Verdict::Absent,
            (Some(_), None) => Verdict::NoKey,
            (Some(tag), Some(key))
                if key.verify(Statement::Written, &facts, tag) || proves_another(tag) =>
            {
                Verdict::Genuine
            }
            (Some(_), Some(_)) => Verdict::Forged,
        };
        CheckedProof { facts, verdict }
    };
    Ok(blocks.iter().zip(proofs).map(check).collect())
}

/// What the proofs of several extents are worth.
fn verify_all(
    read: Reader<'_>,
    context: &PrepareContext<'_>,
    file: InodeId,
    certify: &[ExtentProofs],
) -> Step<Prepared> {
    if certify.len() > CERTIFY_EXTENTS_MAX {
        return Err(Stop::from(InvalidArgument::List));
    }
    let each = certify
        .iter()
        .map(|extent| verify(read, context, file, extent.offset, &extent.proofs));
    Ok(Prepared::ProvedAll(each.collect::<Step<_>>()?))
}

/// The facts of garbage whose erasure is proved. What is unknown has been reported before.
fn verify_erased(
    read: Reader<'_>,
    context: &PrepareContext<'_>,
    erased: &[ErasedBlock],
) -> Step<Vec<BlockFacts>> {
    if erased.len() > LIST_ENTRIES_MAX as usize {
        return Err(Stop::from(InvalidArgument::List));
    }
    let mut proved = Vec::with_capacity(erased.len());
    for (at, ErasedBlock { block, proof }) in erased.iter().enumerate() {
        let Some(record) = read.garbage(*block)? else {
            continue;
        };
        let key = (context.keys)(record.facts.service);
        if !key.is_some_and(|key| key.verify(Statement::Erased, &record.facts, proof)) {
            let index = u8::try_from(at).unwrap_or(u8::MAX);
            return Err(Refusal::BadProof { index }.into());
        }
        proved.push(record.facts);
    }
    Ok(proved)
}
