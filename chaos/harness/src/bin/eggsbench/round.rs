//! One round: an operation repeated by many clients at once until the time is over.

use std::time::{Duration, Instant};

use anyhow::Result;
use eggs_client::Client;
use eggs_harness::Cluster;
use futures::future::try_join_all;

use crate::outcome::{LateTables, Meter, Outcome};

/// Who works, and for how long.
#[derive(Clone, Copy)]
pub struct Round<'a> {
    pub cluster: &'a Cluster,
    /// Libraries with connections of their own; the clients are spread over them.
    pub machines: &'a [Client],
    pub bound: Duration,
    /// Operations in flight.
    pub clients: usize,
    pub late_tables: LateTables,
}

/// One client of a round.
#[derive(Clone, Copy)]
pub struct Worker<'a> {
    pub client: &'a Client,
    /// Counted from zero.
    pub index: usize,
}

impl<'a> Round<'a> {
    /// Repeats an operation, given the worker and its count so far.
    pub async fn run<F>(&self, operation: impl Fn(Worker<'a>, u64) -> F) -> Result<Outcome>
    where
        F: Future<Output = Result<()>>,
    {
        let meter = Meter::begin(self.cluster)?;
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
        let micros = try_join_all(workers).await?.concat();
        let count = micros.len() as u64;
        meter.end(count, micros, self.late_tables).await
    }
}
