//! `disk drain`: empties disks for good. The collector makes their blocks again elsewhere; this only sets it going,
//! after a look at whether the rest of the cluster can take them, and tells how far it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use eggs_client::{Client, ClientError};
use eggs_proto::shard::{ShardQuery, ShardReply};
use eggs_proto::{
    BlockServiceId, BlockServiceInfo, ClusterMap, FailureDomainId, InodeId, LIST_ENTRIES_MAX,
    ServiceState, ShardId, StorageClass,
};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::json;

use super::disk::set_state;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};
use crate::progress::Countdown;
use crate::text::size::show_size;

/// Shards asked at the same time.
const SHARDS_IN_FLIGHT: usize = 16;
/// Between looks at how much is left.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Whether to look first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caution {
    Check,
    Force,
}

impl From<bool> for Caution {
    fn from(force: bool) -> Self {
        if force { Self::Force } else { Self::Check }
    }
}

/// Whether to stay until all is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    Leave,
    Stay,
}

impl From<bool> for Patience {
    fn from(wait: bool) -> Self {
        if wait { Self::Stay } else { Self::Leave }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) caution: Caution,
    pub(crate) patience: Patience,
}

pub(crate) async fn run(
    context: &Context,
    services: &[BlockServiceId],
    options: Options,
) -> Result<Exit, Failure> {
    let client = &context.client;
    let failed = |error| Failure::remote("ask", "the cluster", &error);
    let map = client.refresh_map().await.map_err(failed)?;
    let leaving: BTreeSet<BlockServiceId> = services.iter().copied().collect();
    if let Some(unknown) = leaving.iter().find(|id| map.service(**id).is_none()) {
        let sentence = format!("there is no disk {unknown}; see `eggscli disk list`");
        return Err(Failure::new(Exit::Failed, sentence));
    }
    if options.caution == Caution::Check {
        let wide = client.policies(InodeId::ROOT).await.map_err(failed)?;
        let rows = wide.extent.rows.iter();
        let wanted = rows.map(|row| row.scheme.blocks()).max().unwrap_or(1);
        if let Err(objection) = preflight(&map, &leaving, wanted) {
            let sentence =
                format!("{objection}; nothing was changed (--force does it all the same)");
            return Err(Failure::new(Exit::Failed, sentence));
        }
    }
    for service in &leaving {
        set_state(context, *service, ServiceState::Decommissioned).await?;
    }
    let mut left = files_left(client, &leaving).await.map_err(failed)?;
    let mut countdown = Countdown::new("files to move".to_owned(), left);
    let started = Instant::now();
    while options.patience == Patience::Stay && left > 0 {
        tokio::time::sleep(LOOK_EVERY).await;
        left = files_left(client, &leaving).await.map_err(failed)?;
        countdown.show(left);
    }
    drop(countdown);
    tell(context, &leaving, left, started.elapsed())
}

/// Whether the other disks have room for what is on those that leave, and failure domains for files as wide as the
/// policy of the root makes them.
fn preflight(
    map: &ClusterMap,
    leaving: &BTreeSet<BlockServiceId>,
    wanted: usize,
) -> Result<(), String> {
    let mut moving: BTreeMap<StorageClass, u64> = BTreeMap::new();
    let mut room: BTreeMap<StorageClass, u64> = BTreeMap::new();
    let mut domains: BTreeMap<StorageClass, BTreeSet<FailureDomainId>> = BTreeMap::new();
    let stays = |info: &BlockServiceInfo| !leaving.contains(&info.service);
    for info in &map.services {
        if !stays(info) {
            *moving.entry(info.class).or_default() += info.used_bytes;
        } else if info.state.takes_writes() {
            *room.entry(info.class).or_default() += info.available_bytes;
            domains.entry(info.class).or_default().insert(info.domain);
        }
    }
    for (class, bytes) in moving {
        let room = room.get(&class).copied().unwrap_or(0);
        let domains = domains.get(&class).map_or(0, BTreeSet::len);
        if bytes > room {
            return Err(format!(
                "{} are to be moved, and the other {class} disks have room for {}",
                show_size(bytes),
                show_size(room)
            ));
        }
        if domains < wanted {
            return Err(format!(
                "{domains} failure domains with {class} disks would be left, and files need up to {wanted}"
            ));
        }
    }
    Ok(())
}

/// Files that still have blocks there.
async fn files_left(
    client: &Client,
    services: &BTreeSet<BlockServiceId>,
) -> Result<u64, ClientError> {
    let pairs = ShardId::all().flat_map(|shard| services.iter().map(move |id| (shard, *id)));
    let counts = stream::iter(pairs.map(|(shard, id)| count(client, shard, id)));
    counts
        .buffered(SHARDS_IN_FLIGHT)
        .try_fold(0, async |sum, count| Ok(sum + count))
        .await
}

async fn count(
    client: &Client,
    shard: ShardId,
    service: BlockServiceId,
) -> Result<u64, ClientError> {
    let (mut count, mut after) = (0, None);
    loop {
        let query = ShardQuery::FilesOnService {
            service,
            after,
            limit: LIST_ENTRIES_MAX,
        };
        let reply = client.shard_query(shard, query).await?;
        let ShardReply::Inodes { inodes, more } = reply else {
            let what = format!("shard {shard}");
            return Err(ClientError::Protocol { what });
        };
        count += inodes.len() as u64;
        after = inodes.last().copied();
        if !more || after.is_none() {
            return Ok(count);
        }
    }
}

fn tell(
    context: &Context,
    services: &BTreeSet<BlockServiceId>,
    left: u64,
    took: Duration,
) -> Result<Exit, Failure> {
    let mut output = Output::new();
    let names: Vec<String> = services.iter().map(ToString::to_string).collect();
    match context.format {
        Format::Json => output.json(&json!({
            "services": names,
            "files_left": left,
            "seconds": took.as_secs_f64(),
        }))?,
        Format::Text if left == 0 => {
            output.line(format!("{}: empty; it can be taken away", names.join(", ")))?;
        }
        Format::Text => {
            output.line(format!(
                "{}: {left} files are being moved away",
                names.join(", ")
            ))?;
            output.line("`eggscli disk drain --wait` shows how far it is; `eggscli disk set … active` stops it")?;
        }
    }
    output.finish()?;
    Ok(Exit::Fine)
}

#[cfg(test)]
mod tests {
    use eggs_proto::{NodeId, ProcessRole, Time};

    use super::*;

    fn map_of(domains: u32, used_bytes: u64, available_bytes: u64) -> ClusterMap {
        let service = |number: u32| BlockServiceInfo {
            service: BlockServiceId(u64::from(number)),
            node: NodeId::new(ProcessRole::Blocks, number),
            domain: FailureDomainId(number),
            class: StorageClass::Hdd,
            state: ServiceState::Active,
            capacity_bytes: used_bytes + available_bytes,
            available_bytes,
            used_bytes,
            blocks: 1,
            last_seen: Time(0),
        };
        ClusterMap {
            services: (1..=domains).map(service).collect(),
            ..ClusterMap::default()
        }
    }

    #[test]
    fn a_drain_needs_room_and_failure_domains_elsewhere() {
        let leaving = BTreeSet::from([BlockServiceId(1), BlockServiceId(2)]);
        assert_eq!(preflight(&map_of(16, 100, 50), &leaving, 14), Ok(()));
        let narrow = preflight(&map_of(15, 100, 50), &leaving, 14);
        assert!(narrow.unwrap_err().starts_with("13 failure domains"));
        let full = preflight(&map_of(16, 100, 10), &leaving, 14);
        assert!(full.unwrap_err().contains("room for 140"));
        let mut map = map_of(17, 100, 50);
        for info in &mut map.services[4..8] {
            info.state = ServiceState::NoWrite;
        }
        assert!(preflight(&map, &leaving, 14).is_err());
        assert_eq!(preflight(&map, &leaving, 11), Ok(()));
    }
}
