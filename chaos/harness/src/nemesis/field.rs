//! What a nemesis works on.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use eggs_client::Client;
use eggs_proto::GroupId;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::time::Instant;

use crate::chaos::Crew;
use crate::dress::Dress;
use crate::history::Recorder;
use crate::workload::Workload;
use crate::{Cluster, Random};

/// How long a process may take to be started again. The supervisor waits up to ten seconds before it tries.
const COMES_BACK: Duration = Duration::from_secs(40);

/// What a nemesis works on.
pub struct Field {
    /// The victim.
    pub cluster: Arc<Cluster>,
    /// Knows who leads what.
    pub client: Client,
    /// Where faults are written down.
    pub recorder: Arc<Recorder>,
    /// What its servers wear; without it networks, clocks and disks cannot be broken.
    pub dress: Option<Arc<Dress>>,
    /// What clients are doing.
    pub workload: Arc<Workload>,
    /// Who is doing it.
    pub crew: Arc<Crew>,
    /// Held while the members of groups change: two replicas of one group that are lost at once are lost.
    pub surgery: tokio::sync::Mutex<()>,
    /// What chance follows from.
    pub seed: u64,
}

impl Field {
    pub(super) fn chance(&self, name: &str) -> Random {
        Random::of(self.seed, name)
    }

    /// Names of server processes whose names begin with one of these.
    pub(super) fn processes(&self, prefixes: &[&str]) -> Result<Vec<String>> {
        let mut names = self.cluster.process_names()?;
        names.retain(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)));
        Ok(names)
    }

    /// The failure domains that may lose blocks in this run: as many as the parity of the default policy can bear.
    pub(super) fn weak_domains(&self) -> Result<Vec<String>> {
        const DOMAINS: usize = 4;
        let mut random = self.chance("rotten domains");
        let mut all = self.cluster.domains()?;
        let mut chosen = Vec::new();
        while chosen.len() < DOMAINS && !all.is_empty() {
            chosen.push(all.remove(random.below(all.len())));
        }
        chosen.sort();
        Ok(chosen)
    }

    /// A process, metadata more often than disks.
    pub(super) fn any_process(&self, random: &mut Random) -> Result<Option<String>> {
        let prefixes: &[&str] = match random.below(10) {
            0..=4 => &["shard"],
            5 | 6 => &["cdc"],
            7 => &["shuckle"],
            8 => &["blocks"],
            _ => &["gc", "blocks"],
        };
        Ok(random.pick(&self.processes(prefixes)?).cloned())
    }

    /// Sends a signal. `false` if there is no such process now.
    pub(super) fn signal(&self, name: &str, signal: Signal) -> bool {
        match self.cluster.pid(name) {
            Ok(pid) => kill_process(pid, signal).is_ok(),
            Err(_) => false,
        }
    }

    /// Waits until a process has another pid than before, or is no part of the cluster any more: another fault may replace it meanwhile.
    pub(super) async fn comes_back(&self, name: &str, before: Option<Pid>) -> Result<()> {
        let begin = Instant::now();
        let pid = || self.cluster.pid(name).ok();
        while pid().is_none_or(|pid| Some(pid) == before) && self.is_kept(name).await {
            if begin.elapsed() > COMES_BACK {
                anyhow::bail!("{name} was not started again within {COMES_BACK:?}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Whether `eggsrun` looks after a process, as far as it says.
    async fn is_kept(&self, name: &str) -> bool {
        let cluster = self.cluster.clone();
        let asked = tokio::task::spawn_blocking(move || cluster.eggsrun(&["status", "--json"]));
        let said = asked.await.ok().and_then(Result::ok);
        let status = said.and_then(|said| serde_json::from_str::<Value>(&said.stdout).ok());
        let Some(status) = status else {
            return true;
        };
        let processes = status["processes"].as_array();
        processes.is_none_or(|all| all.iter().any(|process| process["name"] == name))
    }

    /// The process that leads a group, as far as the registry knows.
    pub(super) async fn leader(&self, group: GroupId) -> Result<Option<String>> {
        let map = match self.client.with_timeout(COMES_BACK).refresh_map().await {
            Ok(map) => map,
            Err(error) => return Err(error).context("ask the registry who leads"),
        };
        let leader = map
            .groups
            .get(usize::from(group.0))
            .and_then(|info| info.leader);
        // Processes are known by their places, whatever name they act under.
        Ok(leader.map(|node| node.place().to_string()))
    }
}
