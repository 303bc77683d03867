//! Looks at the groups from time to time: for the gauges, and to say whether the process is ready.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use eggs_obs::Health;
use eggs_raft::{Group, Node};

use crate::metrics::NodeMetrics;

/// Between looks, while some group has no leader and otherwise.
const PERIOD_UNTIL_READY: Duration = Duration::from_millis(100);
const PERIOD: Duration = Duration::from_secs(1);

/// Looks at the groups from time to time.
pub(crate) struct Look {
    pub metrics: NodeMetrics,
    pub health: Health,
    pub node: Arc<Node>,
}

impl Look {
    pub async fn run(self) -> Infallible {
        loop {
            let period = match self.once() {
                0 => PERIOD,
                _ => PERIOD_UNTIL_READY,
            };
            tokio::time::sleep(period).await;
        }
    }

    /// Returns the number of groups without a leader.
    fn once(&self) -> usize {
        let led = self.node.groups().filter(Group::is_leader).count();
        let members = self.node.groups().filter(Group::is_member);
        let leaderless = members.filter(|g| g.leader().is_none()).count();
        let gauge = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.metrics.led.set(gauge(led));
        self.metrics.leaderless.set(gauge(leaderless));
        match leaderless {
            0 => self.health.set_ready(),
            n => self
                .health
                .set_not_ready(format!("{n} groups have no leader")),
        }
        leaderless
    }
}
