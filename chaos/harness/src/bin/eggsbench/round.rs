//! One measurement: an operation repeated by many clients at once until the time is over.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use eggs_client::Client;
use eggs_harness::Cluster;
use futures::future::try_join_all;

use crate::cpu;
use crate::report::Report;

/// Who works, and for how long.
#[derive(Clone, Copy)]
pub struct Round<'a> {
    pub cluster: &'a Cluster,
    /// Libraries with connections of their own; the clients are spread over them.
    pub machines: &'a [Client],
    pub bound: Duration,
    /// Operations in flight.
    pub clients: usize,
}

/// One client of a round.
#[derive(Clone, Copy)]
pub struct Worker<'a> {
    pub client: &'a Client,
    /// Counted from zero.
    pub index: usize,
}

impl<'a> Round<'a> {
    /// Repeats an operation, given the worker and its count so far, and reports throughput, latency and CPU. Returns how many
    /// there were.
    pub async fn run<F>(
        &self,
        what: &str,
        report: &mut Report,
        operation: impl Fn(Worker<'a>, u64) -> F,
    ) -> Result<u64>
    where
        F: Future<Output = Result<()>>,
    {
        let before = cpu::seconds_by_role(self.cluster)?;
        let tables = cpu::seconds_of_tables(self.cluster)?;
        let own = cpu::own();
        let begin = Instant::now();
        let operation = &operation;
        let workers = (0..self.clients).map(|index| {
            let client = &self.machines[index % self.machines.len()];
            let worker = Worker { client, index };
            async move {
                let mut micros = Vec::new();
                while begin.elapsed() < self.bound {
                    let start = Instant::now();
                    operation(worker, micros.len() as u64).await?;
                    micros.push(u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX));
                }
                anyhow::Ok(micros)
            }
        });
        let micros = try_join_all(workers)
            .await
            .with_context(|| what.to_string())?;
        let seconds = begin.elapsed().as_secs_f64();
        let used = cpu::difference(&before, &cpu::seconds_by_role(self.cluster)?);
        let tables = cpu::seconds_of_tables(self.cluster)? - tables;
        let micros = micros.concat();
        let count = micros.len().max(1) as f64;
        let what = format!("{what}, {}", plural(self.clients));
        report.add(&what, count / seconds, "1/s");
        report.percentiles(&what, micros);
        let servers = cpu::servers(&used) * 1e6 / count;
        report.add(&format!("{what}: server CPU"), servers, "us/op");
        for (role, each) in cpu::shares(&used, count) {
            report.add(&format!("{what}: of it {role}"), each, "us/op");
        }
        // It comes in bursts, some of which fall into a round, and is for more than what the round did.
        let of_tables = format!("{what}: of it writing and merging tables");
        report.add(&of_tables, tables * 1e6 / count, "us/op");
        let client = (cpu::own() - own) * 1e6 / count;
        report.add(&format!("{what}: client CPU"), client, "us/op");
        Ok(count as u64)
    }
}

fn plural(clients: usize) -> String {
    match clients {
        1 => "1 client".into(),
        many => format!("{many} clients"),
    }
}
