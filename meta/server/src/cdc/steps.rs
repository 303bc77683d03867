//! Sends steps to the leaders of shards until there is a definite answer.

use std::time::{Duration, Instant};

use bytes::Bytes;
use eggs_cdc::StepOutcome;
use eggs_proto::shard::ShardCall;
use eggs_proto::{CallError, encode};
use eggs_registry_client::ClusterView;
use eggs_rpc::Client;

use crate::call;
use crate::metrics::CdcMetrics;
use crate::shard_round::ShardRound;

/// Pause after all replicas were asked in vain: the first and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// After this long without an answer the log says so, once per step.
const COMPLAIN_AFTER: Duration = Duration::from_secs(10);

/// Asks shards for steps.
pub(super) struct ShardCaller {
    round: ShardRound,
    view: ClusterView,
    metrics: CdcMetrics,
}

impl ShardCaller {
    pub fn new(rpc: Client, view: ClusterView, metrics: CdcMetrics) -> Self {
        Self {
            round: ShardRound::new(rpc, view.clone()),
            view,
            metrics,
        }
    }

    /// Asks until there is an answer that says what the step came to.
    pub async fn call(&self, call: &ShardCall) -> StepOutcome {
        let began = Instant::now();
        let body = Bytes::from(encode(call));
        let mut pause = PAUSE_MIN;
        let mut complained = false;
        loop {
            let last = match self.try_once(call, &body).await {
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

    async fn try_once(&self, call: &ShardCall, body: &Bytes) -> Result<StepOutcome, String> {
        let steps = &self.metrics.steps;
        let watch = |answer: &_| {
            steps
                .get_or_create(&[("outcome", call::outcome(answer))])
                .inc();
        };
        let answer = self.round.ask(call.shard, body, watch).await?;
        let outcome = StepOutcome::of_answer(answer.map_err(CallError::Refused));
        outcome.ok_or_else(|| "an answer that says nothing".to_owned())
    }
}
