//! Which block services take the blocks of an extent.
//!
//! Every block goes to another failure domain. Services that keep earlier extents of the file are taken
//! first, so that a file stays on few services; the rest is drawn at random, weighted by free space, without
//! replacement. The order is shuffled at the end, so that no service is always the parity of a file.
//!
//! The class asked for is used if it has enough failure domains for all blocks; otherwise the other class if that has;
//! otherwise whichever has enough for a degraded extent, the one asked for first. Data blocks are placed before parity.
//!
//! **Invariant:** a pure function of its arguments; the caller brings the entropy.

use std::collections::BTreeSet;

use eggs_proto::{
    BlockServiceId, BlockServiceInfo, ClusterMap, FailureDomainId, Refusal, Scheme, StorageClass,
};

use crate::random::Random;

/// Free space that a service must have besides the block, in bytes: others are choosing it at the same time.
const SLACK_BYTES: u64 = 64 << 20;

/// What is to be placed where.
pub(crate) struct Demand<'a> {
    /// Class asked for.
    pub(crate) class: StorageClass,
    /// Bytes of a block.
    pub(crate) block_bytes: u64,
    /// Services to be preferred.
    pub(crate) sticky: &'a [BlockServiceId],
    /// Services not to be chosen.
    pub(crate) exclude: &'a [BlockServiceId],
    /// Failure domains that hold blocks of the extent already.
    pub(crate) occupied: &'a BTreeSet<FailureDomainId>,
    /// Whether the leader could sign for a service.
    pub(crate) usable: &'a dyn Fn(BlockServiceId) -> bool,
}

/// Services for all blocks of a new extent: `None` for the last ones where failure domains ran out.
pub(crate) fn place_extent(
    map: &ClusterMap,
    demand: &Demand<'_>,
    scheme: Scheme,
    random: &mut Random,
) -> Result<(StorageClass, Vec<Option<BlockServiceId>>), Refusal> {
    let (wanted, needed) = (scheme.blocks(), scheme.blocks_min());
    let asked = domains(map, demand, demand.class);
    let other = domains(map, demand, other_class(demand.class));
    let (class, candidates) = if asked.len() >= wanted || other.len() < needed {
        (demand.class, asked)
    } else if other.len() >= wanted || asked.len() < needed {
        (other_class(demand.class), other)
    } else {
        (demand.class, asked)
    };
    if candidates.len() < needed {
        return Err(crate::ops::replace_blocks::too_few(
            candidates.len(),
            needed,
        ));
    }
    let mut chosen = draw(candidates, demand, wanted, random);
    random.shuffle(&mut chosen);
    let missing = wanted - chosen.len();
    let placed = chosen.into_iter().map(Some);
    Ok((
        class,
        placed.chain(std::iter::repeat_n(None, missing)).collect(),
    ))
}

/// Services for some blocks of an extent of a class: `None` for the last ones where failure domains ran out.
pub(crate) fn place_some(
    map: &ClusterMap,
    demand: &Demand<'_>,
    count: usize,
    random: &mut Random,
) -> Vec<Option<BlockServiceId>> {
    let chosen = draw(domains(map, demand, demand.class), demand, count, random);
    let missing = count - chosen.len();
    let placed = chosen.into_iter().map(Some);
    placed.chain(std::iter::repeat_n(None, missing)).collect()
}

fn other_class(class: StorageClass) -> StorageClass {
    match class {
        StorageClass::Hdd => StorageClass::Flash,
        StorageClass::Flash => StorageClass::Hdd,
    }
}

/// The services of one failure domain that could take a block.
struct Domain<'a> {
    services: Vec<&'a BlockServiceInfo>,
}

impl Domain<'_> {
    fn weight(&self) -> u128 {
        let weights = self.services.iter().map(|s| u128::from(s.available_bytes));
        weights.sum()
    }
}

fn domains<'a>(map: &'a ClusterMap, demand: &Demand<'_>, class: StorageClass) -> Vec<Domain<'a>> {
    let space = demand.block_bytes.saturating_add(SLACK_BYTES);
    let mut fitting: Vec<&BlockServiceInfo> = map
        .services
        .iter()
        .filter(|info| {
            info.class == class
                && info.state.takes_writes()
                && info.available_bytes >= space
                && !demand.exclude.contains(&info.service)
                && !demand.occupied.contains(&info.domain)
                && (demand.usable)(info.service)
        })
        .collect();
    fitting.sort_by_key(|info| (info.domain, info.service));
    fitting
        .chunk_by(|a, b| a.domain == b.domain)
        .map(|services| Domain {
            services: services.to_vec(),
        })
        .collect()
}

/// Up to `count` services of distinct domains.
fn draw(
    mut candidates: Vec<Domain<'_>>,
    demand: &Demand<'_>,
    count: usize,
    random: &mut Random,
) -> Vec<BlockServiceId> {
    let mut chosen = Vec::with_capacity(count);
    for sticky in demand.sticky {
        let holds = |domain: &Domain<'_>| domain.services.iter().any(|s| s.service == *sticky);
        if chosen.len() < count
            && let Some(at) = candidates.iter().position(holds)
        {
            candidates.swap_remove(at);
            chosen.push(*sticky);
        }
    }
    let mut weights: Vec<u128> = candidates.iter().map(Domain::weight).collect();
    while chosen.len() < count
        && let Some(at) = random.pick(&weights)
    {
        weights.swap_remove(at);
        let domain = candidates.swap_remove(at);
        let within: Vec<u128> = domain
            .services
            .iter()
            .map(|s| u128::from(s.available_bytes))
            .collect();
        let service = random.pick(&within).and_then(|at| domain.services.get(at));
        chosen.extend(service.map(|info| info.service));
    }
    chosen
}
