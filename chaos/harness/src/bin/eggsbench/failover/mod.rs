//! `make bench-failover`: how long groups are without a leader, and what it costs to be ready for it.
//!
//! From `kill -9` (or a planned stop) of the process that leads the most groups, until a change that began afterwards
//! has succeeded in every one of them, through the library, with one change outstanding per group. Kills of groups that
//! rest and of groups that were busy until then take turns. At the end every acknowledged file has to be there.

mod files;
mod groups;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use eggs_client::{Client, ClientConfig};
use eggs_harness::{Cluster, Options};
use eggs_proto::NodeId;
use eggs_proto::hello::PeerRole;
use eggs_rpc::Credentials;
use rustix::process::{Signal, kill_process};

use self::files::Files;
use self::groups::Groups;
use crate::cpu;
use crate::report::Report;

/// How many of everything.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Plan {
    /// Times that the process that leads the most groups is killed.
    #[arg(long, default_value_t = 100)]
    pub kills: usize,
    /// Times that it is stopped as planned.
    #[arg(long, default_value_t = 10)]
    pub stops: usize,
    /// Groups handed over one by one.
    #[arg(long, default_value_t = 30)]
    pub transfers: u16,
}

/// Groups that nobody uses rest after this long, with room.
const FALL_ASLEEP: Duration = Duration::from_secs(4);

/// Measures a cluster that it starts itself.
pub fn run(plan: Plan, runtime: &tokio::runtime::Runtime, report: &mut Report) -> Result<()> {
    let cluster = Cluster::start(Options::default())?;
    cluster.wait_healthy()?;
    runtime.block_on(async {
        let client = cluster
            .client()
            .await?
            .with_timeout(Duration::from_secs(60));
        let secret = cluster.dir().join("secret/cluster");
        let secret =
            Credentials::from_file(&secret, PeerRole::Server).context("read the secret")?;
        let config = ClientConfig::new(vec![cluster.registry()], secret, "eggsbench");
        let operator = Client::connect(config).await.context("connect")?;
        let run = Run {
            files: Files::prepare(&client).await?,
            groups: Groups::new(operator, &cluster)?,
            cluster: &cluster,
        };
        run.groups.settle().await?;
        run.idle(report).await?;
        run.hand_over(plan.transfers, report).await?;
        run.end(Ending::Stop, plan.stops, report).await?;
        run.end(Ending::Kill, plan.kills, report).await?;
        run.files.verify(report).await
    })
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Kill,
    Stop,
}

struct Run<'a> {
    cluster: &'a Cluster,
    files: Files,
    groups: Groups,
}

impl Run<'_> {
    async fn idle(&self, report: &mut Report) -> Result<()> {
        const WINDOW: Duration = Duration::from_secs(20);
        tokio::time::sleep(FALL_ASLEEP).await;
        let before = cpu::seconds_by_name(self.cluster)?;
        tokio::time::sleep(WINDOW).await;
        let used = cpu::difference(&before, &cpu::seconds_by_name(self.cluster)?);
        for (name, seconds) in used.iter().filter(|(name, _)| name.starts_with("shard")) {
            let share = seconds / WINDOW.as_secs_f64() * 100.0;
            report.add(&format!("idle: {name}"), share, "% of a core");
        }
        Ok(())
    }

    /// Each of some groups from its leader to another, with a change right behind.
    async fn hand_over(&self, count: u16, report: &mut Report) -> Result<()> {
        let mut took = Vec::new();
        for group in 0..count {
            let begin = Instant::now();
            self.groups.hand_on(group).await?;
            self.files.create(usize::from(group)).await?;
            took.push(begin.elapsed());
        }
        summarize(
            "planned hand-over of a group until the next change",
            took,
            report,
        );
        self.groups.settle().await
    }

    /// Ends the process that leads most, again and again.
    async fn end(&self, how: Ending, times: usize, report: &mut Report) -> Result<()> {
        let (mut resting, mut busy, mut restarts) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..times {
            let (victim, led) = self.groups.leads_most().await?;
            if round % 2 == 0 {
                tokio::time::sleep(FALL_ASLEEP).await;
            } else {
                self.files.create_in(&led).await?;
            }
            let (took, restart) = self.once(how, victim, &led).await?;
            eprintln!(
                "round {round}: {how:?} of {victim}, {} groups: {took:?}",
                led.len()
            );
            if round % 2 == 0 {
                &mut resting
            } else {
                &mut busy
            }
            .push(took);
            restarts.push(restart);
            self.groups.settle().await?;
        }
        let what = match how {
            Ending::Kill => "kill -9",
            Ending::Stop => "planned stop",
        };
        let all = resting.iter().chain(&busy).copied().collect();
        summarize(&format!("{what}: first change in every group"), all, report);
        summarize(&format!("{what}, groups rested"), resting, report);
        summarize(&format!("{what}, groups were busy"), busy, report);
        summarize(
            &format!("{what}: from its start until the process has all groups"),
            restarts,
            report,
        );
        Ok(())
    }

    async fn once(
        &self,
        how: Ending,
        victim: NodeId,
        led: &[usize],
    ) -> Result<(Duration, Duration)> {
        let signal = match how {
            Ending::Kill => Signal::KILL,
            Ending::Stop => Signal::TERM,
        };
        let pid = self.cluster.pid(&format!("shard{}", victim.index()))?;
        if led.is_empty() {
            bail!("{victim} leads nothing");
        }
        let begin = Instant::now();
        kill_process(pid, signal).context("end a process")?;
        let changes = async {
            self.files.create_in(led).await?;
            Ok(begin.elapsed())
        };
        tokio::try_join!(changes, self.groups.comes_back(victim, self.cluster, pid))
    }
}

fn summarize(what: &str, mut took: Vec<Duration>, report: &mut Report) {
    took.sort_unstable();
    let Some(max) = took.last() else {
        return;
    };
    let at = |percent: usize| took.get((took.len() * percent / 100).min(took.len() - 1));
    let ms = |d: &Duration| d.as_secs_f64() * 1000.0;
    report.add(&format!("{what}: how often"), took.len() as f64, "");
    for (name, percent) in [("p50", 50), ("p99", 99)] {
        report.add(
            &format!("{what}: {name}"),
            at(percent).map_or(0.0, ms),
            "ms",
        );
    }
    report.add(&format!("{what}: max"), ms(max), "ms");
}
