//! A process that lost its replicas puts itself, under its new name, into the places of those it was before.
//!
//! What to do next in a group follows from how its leader says that it is ([`eggs_proto::moves`]), so nothing is
//! remembered but whose places they are: after a restart it goes on, and what a person does meanwhile does no harm. The
//! leader of each group decides about each step: no vote before the replica has nearly everything, and none without a
//! majority that answers.
//!
//! **Invariant:** a name is taken off the map only after it votes in no group any more.

mod leader;

use std::time::{Duration, Instant};

use eggs_proto::moves::{Move, Next, next};
use eggs_proto::{GroupId, NodeId};
use eggs_rpc::Client;
use futures::StreamExt as _;
use futures::stream;

use crate::{ClusterView, RegistryClient};
use leader::{Leaders, Stepped};

/// Groups that are copied here at the same time: the rest of the cluster works meanwhile.
const AT_ONCE: usize = 4;
/// Between looks at what is left.
const PAUSE: Duration = Duration::from_millis(500);
/// Between looks at a group that is not ready for its next step.
const STEP_PAUSE: Duration = Duration::from_millis(100);
/// How long one group may keep others waiting.
const TURN: Duration = Duration::from_secs(30);
/// Between two notes of how far it is.
const TELL: Duration = Duration::from_secs(10);
/// How long the registry may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What it takes to be rebuilt.
pub struct Rebuild {
    /// To the leaders of groups.
    pub rpc: Client,
    /// Of the cluster.
    pub view: ClusterView,
    /// Its client.
    pub registry: RegistryClient,
    /// The process.
    pub node: NodeId,
    /// Those whose place it takes and who have not retired.
    pub places: Vec<NodeId>,
}

impl Rebuild {
    /// Runs until nobody is left in whose place this process belongs. May be dropped at any moment and begun again.
    pub async fn run(&self) {
        if !self.places.is_empty() {
            self.rebuild().await;
            tracing::info!(node = %self.node, "rebuilt: all its replicas are in place");
        }
    }

    async fn rebuild(&self) {
        let mut told: Option<(usize, Instant)> = None;
        loop {
            let left = match self.view.refresh().await {
                Ok(()) => self.left(),
                Err(error) => {
                    tracing::debug!(%error, "the map is not known");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            if told.is_none_or(|(count, at)| count != left.len() && at.elapsed() > TELL) {
                let node = self.node;
                tracing::info!(%node, groups = left.len(), "is being rebuilt");
                told = Some((left.len(), Instant::now()));
            }
            if left.is_empty() && self.retire().await {
                return;
            }
            let turns: Vec<_> = left.iter().map(|group| self.turn(*group)).collect();
            stream::iter(turns)
                .buffer_unordered(AT_ONCE)
                .collect::<()>()
                .await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Groups in which somebody votes in whose place this process belongs, as the registry knows.
    fn left(&self) -> Vec<GroupId> {
        let snapshot = self.view.current();
        let places = &self.places;
        let groups = (0u16..).map(GroupId).zip(&snapshot.map.groups);
        groups
            .filter(|(_, info)| info.replicas.iter().any(|node| places.contains(node)))
            .map(|(group, _)| group)
            .collect()
    }

    /// Goes on with one group until it is as wanted or has kept others waiting for long enough.
    async fn turn(&self, group: GroupId) {
        let begin = Instant::now();
        let leaders = Leaders {
            rpc: &self.rpc,
            view: &self.view,
            places: &self.places,
        };
        for place in &self.places {
            let wanted = Move {
                group,
                from: *place,
                to: self.node,
            };
            while begin.elapsed() < TURN {
                let Some((leader, info)) = leaders.find(group).await else {
                    tokio::time::sleep(STEP_PAUSE).await;
                    continue;
                };
                let step = match next(&info, wanted) {
                    Next::Done | Next::Nothing => break,
                    Next::Ask(step) => step,
                };
                match leaders.ask(leader, group, step).await {
                    Stepped::Done => {}
                    Stepped::Waits(why) => {
                        tracing::debug!(%group, why, "waits to be rebuilt");
                        tokio::time::sleep(STEP_PAUSE).await;
                    }
                }
            }
        }
    }

    /// Takes those who had the places off the map; whether all are.
    async fn retire(&self) -> bool {
        for place in &self.places {
            match self.registry.retire(*place, TIMEOUT).await {
                Ok(true) => {}
                Ok(false) => return false,
                Err(error) => {
                    tracing::debug!(%place, %error, "not retired yet");
                    return false;
                }
            }
        }
        true
    }
}
