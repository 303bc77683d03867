//! One moment of all groups, without a transaction under way.
//!
//! The groups are looked at one after the other, in a few milliseconds. What happens within one group meanwhile is of no
//! matter: each is as it was at some moment. Only transactions of the coordinator change several. So a cut is taken while
//! none is under way: the coordinator is asked to begin none, and it counts those that it has finished. If before and after
//! none is under way and the count is the same, there was none in between, whatever became of the request.
//!
//! **Invariant:** no transaction was under way at any time between the looks at the first and at the last group of a cut.

mod cluster;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use eggs_client::Client;
use eggs_proto::meta::PinnedGroup;
use eggs_proto::{GroupId, NodeId};

use crate::failure::{Exit, Failure};

pub(super) use cluster::{piece, unpin};

/// How long the coordinator is held at a time.
const HOLD_MS: u32 = 8_000;
/// How long transactions under way may take: each gives up waiting for names after 10 s.
const CALM: Duration = Duration::from_secs(15);
/// How long to go on trying.
const PATIENCE: Duration = Duration::from_secs(60);
/// The coordinator's group and the registry's come after the shards.
const GROUPS: u16 = 258;

/// Where each group is kept as it was.
type Pinned = BTreeMap<GroupId, (NodeId, PinnedGroup)>;

/// One moment of all groups.
pub(super) struct Cut {
    pub(super) pin: u64,
    pub(super) groups: Pinned,
}

/// What the coordinator says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    running: usize,
    finished: u64,
}

/// What is asked of a cluster for a cut.
trait Ask {
    /// Asks the coordinator to begin nothing for a while. Whether it does shows in its count.
    async fn hold(&self, ms: u32);
    /// What the coordinator has done so far.
    async fn count(&self) -> Result<Count, Failure>;
    /// Has every group kept as it is at some moment of this call. Those that nobody is sure to lead are missing.
    async fn pin_all(&self, pin: u64) -> Result<Pinned, Failure>;
    /// Lets what is kept go.
    async fn unpin(&self, pin: u64);
    /// Between looks.
    async fn pause(&self);
}

impl Cut {
    /// Takes one.
    pub(super) async fn take(client: &Client, pin: u64) -> Result<Self, Failure> {
        Self::take_of(client, pin).await
    }

    async fn take_of(cluster: &impl Ask, pin: u64) -> Result<Self, Failure> {
        let begin = Instant::now();
        let mut why = String::new();
        while begin.elapsed() < PATIENCE {
            let taken = Self::attempt(cluster, pin).await;
            cluster.hold(0).await;
            match taken? {
                Ok(cut) => return Ok(cut),
                Err(reason) => why = reason,
            }
            cluster.unpin(pin).await;
            for _ in 0..20 {
                cluster.pause().await;
            }
        }
        let sentence = format!("there was no moment for a backup: {why}; try again");
        Err(Failure::new(Exit::Failed, sentence))
    }

    /// The inner error says why it has to be tried again.
    async fn attempt(cluster: &impl Ask, pin: u64) -> Result<Result<Self, String>, Failure> {
        let begin = Instant::now();
        let calm = loop {
            cluster.hold(HOLD_MS).await;
            let count = cluster.count().await?;
            if count.running == 0 {
                break count;
            }
            if begin.elapsed() > CALM {
                return Ok(Err("transactions were under way all the time".into()));
            }
            cluster.pause().await;
        };
        let groups = cluster.pin_all(pin).await?;
        if cluster.count().await? != calm {
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
