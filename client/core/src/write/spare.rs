//! Whether a block that is slow where it is could go somewhere else.

use std::collections::BTreeSet;

use eggs_proto::shard::PlacedBlock;
use eggs_proto::{BlockServiceId, ClusterMap, FailureDomainId, PLACEMENT_SLACK_BYTES};

/// Whether there is a failure domain that has no block of the extent and may take one: a disk of the same class that takes writes,
/// has room, and does not fail. Without one, moving a block would lose it.
pub(super) fn domains_to_spare(
    map: &ClusterMap,
    placed: &[PlacedBlock],
    failed: &[BlockServiceId],
) -> bool {
    let infos = || placed.iter().filter_map(|p| map.service(p.facts.service));
    let used: BTreeSet<FailureDomainId> = infos().map(|info| info.domain).collect();
    let Some(class) = infos().map(|info| info.class).next() else {
        return false;
    };
    let largest = placed.iter().map(|p| p.facts.size).max().unwrap_or(0);
    let space = largest.saturating_add(PLACEMENT_SLACK_BYTES);
    map.services.iter().any(|info| {
        info.class == class
            && info.state.takes_writes()
            && info.available_bytes >= space
            && !used.contains(&info.domain)
            && !failed.contains(&info.service)
    })
}
