//! Sends steps to the leaders of shards until there is a definite answer.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use eggs_cdc::StepOutcome;
use eggs_proto::shard::{ShardCall, ShardReply};
use eggs_proto::{CallError, CallResult, GroupId, MessageKind, NodeId, ShardId, decode, encode};
use eggs_registry_client::ClusterView;
use eggs_rpc::Client;

use crate::call;
use crate::metrics::CdcMetrics;

/// How long one process is waited for.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Pause after all replicas were asked in vain: the first and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// After this long without an answer the log says so, once per step.
const COMPLAIN_AFTER: Duration = Duration::from_secs(10);

/// Knows who leads the shards, as far as was seen.
pub(super) struct ShardCaller {
    rpc: Client,
    view: ClusterView,
    metrics: CdcMetrics,
    leaders: Mutex<HashMap<ShardId, NodeId>>,
}

/// Whom to ask next.
enum Next {
    Hinted(NodeId),
    Another(String),
}

impl ShardCaller {
    pub fn new(rpc: Client, view: ClusterView, metrics: CdcMetrics) -> Self {
        Self {
            rpc,
            view,
            metrics,
            leaders: Mutex::default(),
        }
    }

    /// Asks until there is an answer that says what the step came to.
    pub async fn call(&self, call: &ShardCall) -> StepOutcome {
        let began = Instant::now();
        let body = Bytes::from(encode(call));
        let mut pause = PAUSE_MIN;
        let mut complained = false;
        loop {
            let last = match self.round(call.shard, &body).await {
                Ok(outcome) => {
                    let seconds = began.elapsed().as_secs_f64();
                    self.metrics.step_seconds.observe(seconds);
                    return outcome;
                }
                Err(last) => last,
            };
            if !complained && began.elapsed() >= COMPLAIN_AFTER {
                complained = true;
                tracing::warn!(shard = %call.shard, last, "a step waits for its shard");
            }
            self.view.hurry();
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Asks the presumed leader, follows hints, then asks the other replicas.
    async fn round(&self, shard: ShardId, body: &Bytes) -> Result<StepOutcome, String> {
        let view = self.view.current();
        let mut replicas = view.replicas(GroupId::of_shard(shard));
        let remembered = self.lock().get(&shard).copied();
        replicas.sort_by_key(|(node, _)| Some(*node) != remembered);
        let mut last = "no replica is known".to_owned();
        let mut asked = 0;
        while asked < replicas.len() {
            let (node, address) = replicas[asked];
            asked += 1;
            match self.attempt(address, body).await {
                Ok(outcome) => {
                    if remembered != Some(node) {
                        self.lock().insert(shard, node);
                    }
                    return Ok(outcome);
                }
                Err(Next::Hinted(leader)) => {
                    last = format!("{node} says that {leader} leads");
                    // Those not asked yet are in any order.
                    let at = replicas[asked..].iter().position(|(n, _)| *n == leader);
                    if let Some(at) = at {
                        replicas.swap(asked, asked + at);
                    }
                }
                Err(Next::Another(reason)) => last = format!("{node}: {reason}"),
            }
        }
        if remembered.is_some() {
            self.lock().remove(&shard);
        }
        Err(last)
    }

    async fn attempt(&self, address: SocketAddr, body: &Bytes) -> Result<StepOutcome, Next> {
        let kind = MessageKind::Shard;
        let sent = self
            .rpc
            .call(address, kind, ATTEMPT, body.clone(), Bytes::new());
        let reply = sent.await.map_err(|e| Next::Another(e.to_string()))?;
        let answer: CallResult<ShardReply> =
            decode(&reply.body).map_err(|e| Next::Another(e.to_string()))?;
        self.metrics
            .steps
            .get_or_create(&[("outcome", call::outcome(&answer))])
            .inc();
        if let Err(CallError::NotLeader {
            leader: Some(leader),
        }) = answer
        {
            return Err(Next::Hinted(leader));
        }
        let reason = answer.as_ref().err().map(ToString::to_string);
        StepOutcome::of_answer(answer).ok_or_else(|| Next::Another(reason.unwrap_or_default()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ShardId, NodeId>> {
        self.leaders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
