//! What a piece of work came to and what it cost.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use eggs_harness::Cluster;

use crate::cpu;
use crate::report::Report;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Operations,
    Entries,
}

/// Sums over one round or several.
#[derive(Debug, Default)]
pub struct Outcome {
    count: f64,
    seconds: f64,
    /// Of each operation; none if they were not timed.
    micros: Vec<u32>,
    /// CPU seconds by role.
    used: BTreeMap<String, f64>,
    /// CPU seconds for writing and merging tables, part of it.
    tables: f64,
    /// CPU seconds of the benchmark.
    client: f64,
}

/// Reads what a cluster uses while something is done.
pub struct Meter<'a> {
    cluster: &'a Cluster,
    used: BTreeMap<String, f64>,
    tables: f64,
    client: f64,
    began: Instant,
}

/// Tables that are written and merged when the work is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LateTables {
    /// Not counted.
    Left,
    /// Waited for, and counted, so that whoever works next is not in their way.
    Counted,
}

impl<'a> Meter<'a> {
    pub fn begin(cluster: &'a Cluster) -> Result<Self> {
        Ok(Self {
            cluster,
            used: cpu::seconds_by_role(cluster)?,
            tables: cpu::seconds_of_tables(cluster)?,
            client: cpu::own(),
            began: Instant::now(),
        })
    }

    /// So much was done since the beginning.
    pub async fn end(self, count: u64, micros: Vec<u32>, late: LateTables) -> Result<Outcome> {
        let seconds = self.began.elapsed().as_secs_f64();
        let client = cpu::own() - self.client;
        if late == LateTables::Counted {
            quiet(self.cluster).await?;
        }
        Ok(Outcome {
            count: count as f64,
            seconds,
            micros,
            used: cpu::difference(&self.used, &cpu::seconds_by_role(self.cluster)?),
            tables: cpu::seconds_of_tables(self.cluster)? - self.tables,
            client,
        })
    }
}

/// Waits until no table is written or merged, or half a minute.
async fn quiet(cluster: &Cluster) -> Result<()> {
    const WINDOW: Duration = Duration::from_millis(200);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(30) {
        let before = cpu::seconds_of_tables(cluster)?;
        tokio::time::sleep(WINDOW).await;
        if cpu::seconds_of_tables(cluster)? - before < 0.015 {
            return Ok(());
        }
    }
    Ok(())
}

impl Outcome {
    /// Another round of the same work.
    pub fn add(&mut self, other: Self) {
        self.count += other.count;
        self.seconds += other.seconds;
        self.micros.extend(other.micros);
        for (role, seconds) in other.used {
            *self.used.entry(role).or_default() += seconds;
        }
        self.tables += other.tables;
        self.client += other.client;
    }

    /// How many in a second.
    pub fn rate(&self) -> f64 {
        self.count / self.seconds
    }

    /// CPU of all servers for each.
    pub fn server_micros(&self) -> f64 {
        cpu::servers(&self.used) * 1e6 / self.count.max(1.0)
    }

    /// As that, without writing and merging tables: that comes in bursts, and is for more than what was done meanwhile.
    pub fn calm_server_micros(&self) -> f64 {
        self.server_micros() - self.tables * 1e6 / self.count.max(1.0)
    }

    /// CPU of the benchmark for each.
    pub fn client_micros(&self) -> f64 {
        self.client * 1e6 / self.count.max(1.0)
    }

    /// Adds throughput, latency and CPU.
    pub fn tell(&self, what: &str, unit: Unit, report: &mut Report) {
        let (rate, each) = match unit {
            Unit::Operations => ("1/s", "us/op"),
            Unit::Entries => ("entries/s", "us/entry"),
        };
        report.add(what, self.rate(), rate);
        if !self.micros.is_empty() {
            report.percentiles(what, self.micros.clone());
        }
        let add = |report: &mut Report, part: &str, micros: f64| {
            report.add(&format!("{what}: {part}"), micros, each);
        };
        add(report, "server CPU", self.server_micros());
        let count = self.count.max(1.0);
        for (role, micros) in cpu::shares(&self.used, count) {
            add(report, &format!("of it {role}"), micros);
        }
        let tables = self.server_micros() - self.calm_server_micros();
        add(report, "of it writing and merging tables", tables);
        add(report, "client CPU", self.client_micros());
    }
}
