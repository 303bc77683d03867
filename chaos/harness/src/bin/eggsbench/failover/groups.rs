//! Who leads what, as the processes themselves say.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use eggs_client::Client;
use eggs_harness::Cluster;
use eggs_proto::meta::{MetaReply, MetaRequest, ReplicaInfo};
use eggs_proto::{GroupId, NodeId, ProcessRole};
use rustix::process::Pid;

use super::files::SHARDS;

/// How long anything may take before the run is given up.
const BOUND: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(10);

pub struct Groups {
    operator: Client,
    nodes: Vec<NodeId>,
}

impl Groups {
    pub fn new(operator: Client, cluster: &Cluster) -> Result<Self> {
        let mut nodes = Vec::new();
        for name in cluster.process_names()? {
            if let Some(Ok(index)) = name.strip_prefix("shard").map(str::parse) {
                nodes.push(NodeId::new(ProcessRole::Shard, index));
            }
        }
        Ok(Self { operator, nodes })
    }

    async fn replicas(&self, node: NodeId) -> Result<Vec<ReplicaInfo>> {
        let request = MetaRequest::Replicas { group: None };
        match self.operator.meta(node, &request).await? {
            Ok(MetaReply::Replicas(all)) => Ok(all),
            other => bail!("{node} answers {other:?}"),
        }
    }

    /// Who leads each group, if everybody has everything.
    async fn calm(&self) -> Result<Vec<(NodeId, ReplicaInfo)>> {
        let mut led = Vec::new();
        for node in &self.nodes {
            let all = self.replicas(*node).await?;
            led.extend(
                all.into_iter()
                    .filter(|replica| replica.leader == Some(*node))
                    .map(|replica| (*node, replica)),
            );
        }
        led.sort_by_key(|(_, replica)| replica.group);
        let behind = led.iter().find(|(node, replica)| {
            let mut others = replica.progress.iter().filter(|p| p.node != *node);
            others.any(|p| {
                p.matched != Some(replica.last_log) || p.heard_ms.is_none_or(|ms| ms > 1500)
            })
        });
        if led.len() != SHARDS || behind.is_some() {
            bail!("{} groups are led, {behind:?} is behind", led.len());
        }
        Ok(led)
    }

    /// Waits until all replicas have everything, and brings leadership back where it belongs.
    pub async fn settle(&self) -> Result<()> {
        let begin = Instant::now();
        loop {
            match self.calm().await {
                Ok(led) => {
                    let mut moved = 0;
                    for (node, replica) in &led {
                        let at = usize::from(replica.group.0) % self.nodes.len();
                        let to = *self.nodes.get(at).context("no process")?;
                        if to != *node {
                            moved += 1;
                            self.transfer(*node, replica.group, to).await?;
                        }
                    }
                    if moved == 0 {
                        return Ok(());
                    }
                }
                Err(cause) if begin.elapsed() > BOUND => return Err(cause).context("settle"),
                Err(_) => {}
            }
            tokio::time::sleep(10 * POLL).await;
        }
    }

    async fn transfer(&self, from: NodeId, group: GroupId, to: NodeId) -> Result<()> {
        let request = MetaRequest::Transfer { group, to };
        // Whoever does not lead any more, or waits, is asked again.
        self.operator
            .meta(from, &request)
            .await
            .map(drop)
            .context("hand over")
    }

    /// Hands a group from its leader to the next process.
    pub async fn hand_on(&self, group: u16) -> Result<()> {
        let at = usize::from(group);
        let from = *self
            .nodes
            .get(at % self.nodes.len())
            .context("no process")?;
        let to = *self
            .nodes
            .get((at + 1) % self.nodes.len())
            .context("no process")?;
        self.transfer(from, GroupId(group), to).await
    }

    /// The process that leads the most groups, and which.
    pub async fn leads_most(&self) -> Result<(NodeId, Vec<usize>)> {
        let led = self.calm().await?;
        let of = |node: NodeId| led.iter().filter(move |(leader, _)| *leader == node);
        let most = self
            .nodes
            .iter()
            .copied()
            .max_by_key(|node| of(*node).count());
        let most = most.context("no process")?;
        let groups = of(most).map(|(_, replica)| usize::from(replica.group.0));
        Ok((most, groups.collect()))
    }

    /// Waits until a process that has ended has all its groups again: the time since its new start.
    pub async fn comes_back(
        &self,
        node: NodeId,
        cluster: &Cluster,
        before: Pid,
    ) -> Result<Duration> {
        let name = format!("shard{}", node.index());
        let begin = Instant::now();
        loop {
            let started = cluster.pid(&name).is_ok_and(|pid| pid != before);
            if started
                && self
                    .replicas(node)
                    .await
                    .is_ok_and(|all| all.len() == SHARDS)
            {
                let file = cluster.dir().join("run").join(format!("{name}.pid"));
                let written = std::fs::metadata(file)
                    .and_then(|file| file.modified())
                    .context("look when it was started")?;
                return Ok(written.elapsed().unwrap_or_default());
            }
            if begin.elapsed() > BOUND {
                bail!("{node} does not come back");
            }
            tokio::time::sleep(POLL).await;
        }
    }
}
