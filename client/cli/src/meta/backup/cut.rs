//! One moment of all groups, without a transaction under way.
//!
//! The groups are looked at one after the other, in a few milliseconds. What happens within one group meanwhile is of no
//! matter: each is as it was at some moment. Only transactions of the coordinator change several. So a cut is taken while
//! none is under way: the coordinator is asked to begin none, and it counts those that it has finished. If before and after
//! none is under way and the count is the same, there was none in between, whatever became of the request.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use eggs_client::Client;
use eggs_proto::cdc::CdcReply;
use eggs_proto::meta::{MetaReply, MetaRequest, PinnedGroup};
use eggs_proto::{GroupId, NodeId};
use futures::future::join_all;

use super::{ask, nonsense};
use crate::failure::{Exit, Failure};
use crate::meta::ask::leader_of;
use crate::meta::view::hosts;

/// How long the coordinator is held at a time.
const HOLD_MS: u32 = 8_000;
/// How long transactions under way may take: each gives up waiting for names after 10 s.
const CALM: Duration = Duration::from_secs(15);
/// How long to go on trying.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between looks.
const PAUSE: Duration = Duration::from_millis(10);
/// The coordinator's group and the registry's come after the shards.
const GROUPS: u16 = 258;

/// Where each group is kept as it was.
pub(super) struct Cut {
    pub(super) pin: u64,
    pub(super) groups: BTreeMap<GroupId, (NodeId, PinnedGroup)>,
}

/// What the coordinator says.
#[derive(PartialEq, Eq)]
struct Count {
    running: usize,
    finished: u64,
}

async fn count(client: &Client) -> Result<Count, Failure> {
    let failed = |error| Failure::remote("ask", "the coordinator", &error);
    match client.cdc_status().await.map_err(failed)? {
        CdcReply::Status { running, finished } => Ok(Count {
            running: running.len(),
            finished,
        }),
        CdcReply::Done | CdcReply::Made { .. } | CdcReply::Audit(_) => Err(Failure::new(
            Exit::Failed,
            "the coordinator answers something else",
        )),
    }
}

impl Cut {
    /// Takes one.
    pub(super) async fn take(client: &Client, pin: u64) -> Result<Self, Failure> {
        let begin = Instant::now();
        let mut why = String::new();
        while begin.elapsed() < PATIENCE {
            let taken = Self::attempt(client, pin).await;
            hold(client, 0).await;
            match taken? {
                Ok(cut) => return Ok(cut),
                Err(reason) => why = reason,
            }
            unpin(client, pin).await;
            tokio::time::sleep(PAUSE * 20).await;
        }
        let sentence = format!("there was no moment for a backup: {why}; try again");
        Err(Failure::new(Exit::Failed, sentence))
    }

    /// The inner error says why it has to be tried again.
    async fn attempt(client: &Client, pin: u64) -> Result<Result<Self, String>, Failure> {
        let begin = Instant::now();
        let calm = loop {
            hold(client, HOLD_MS).await;
            let count = count(client).await?;
            if count.running == 0 {
                break count;
            }
            if begin.elapsed() > CALM {
                return Ok(Err("transactions were under way all the time".into()));
            }
            tokio::time::sleep(PAUSE).await;
        };
        let groups = pin_all(client, pin).await?;
        if count(client).await? != calm {
            return Ok(Err("a transaction came in between".into()));
        }
        let missing = (0..GROUPS)
            .map(GroupId)
            .find(|group| !groups.contains_key(group));
        Ok(match missing {
            Some(group) => Err(format!("nobody is sure to lead {group}")),
            None => Ok(Self { pin, groups }),
        })
    }
}

/// Asks the coordinator to begin nothing for a while. Whether it does shows in its count.
async fn hold(client: &Client, ms: u32) {
    if let Ok(Some((leader, _))) = leader_of(client, GroupId::CDC).await {
        // What it answers does not matter.
        let _ = client.meta(leader, &MetaRequest::Hold { ms }).await;
    }
}

async fn pin_all(
    client: &Client,
    pin: u64,
) -> Result<BTreeMap<GroupId, (NodeId, PinnedGroup)>, Failure> {
    let map = client.map();
    let asked = hosts(&map).map(|node| async move {
        let answer = client.meta(node, &MetaRequest::Pin { pin }).await;
        (node, answer)
    });
    let mut groups = BTreeMap::new();
    for (node, answer) in join_all(asked).await {
        match answer {
            Ok(Ok(MetaReply::Pinned(pinned))) => {
                groups.extend(pinned.into_iter().map(|group| (group.group, (node, group))));
            }
            Ok(Ok(_)) => return Err(nonsense(node)),
            Ok(Err(eggs_proto::CallError::Forbidden)) => {
                return Err(crate::meta::ask::needs_secret());
            }
            // What it leads is missing, and will be asked of others.
            Ok(Err(_)) | Err(_) => {}
        }
    }
    Ok(groups)
}

/// Lets what is kept go; by itself it would go after a minute.
pub(super) async fn unpin(client: &Client, pin: u64) {
    let map = client.map();
    let asked = hosts(&map).map(|node| async move {
        let _ = client.meta(node, &MetaRequest::Unpin { pin }).await;
    });
    join_all(asked).await;
}

/// A piece of what is kept, and its place.
pub(super) async fn piece(
    client: &Client,
    (pin, node, group): (u64, NodeId, GroupId),
    after: Option<eggs_proto::image::StateKey>,
    known: Option<eggs_proto::image::PieceId>,
) -> Result<eggs_proto::meta::StatePiece, Failure> {
    let request = MetaRequest::Piece {
        pin,
        group,
        after,
        known,
    };
    match ask(client, node, &request).await? {
        MetaReply::Piece(piece) => Ok(piece),
        MetaReply::Done
        | MetaReply::Replicas(_)
        | MetaReply::Waits(_)
        | MetaReply::Standing(_)
        | MetaReply::Pinned(_)
        | MetaReply::Restoring(_)
        | MetaReply::Digest(_) => Err(nonsense(node)),
    }
}
