//! Creates, stats, listings and directories through the library.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use eggs_client::Client;
use eggs_harness::Cluster;
use eggs_proto::InodeId;

use crate::cpu;
use crate::operations::{create, lookup, make_directories, make_directory, name, rename, stat};
use crate::report::Report;
use crate::round::{Round, Worker};

/// Part of what can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum MetaPart {
    /// What the machine can do at most.
    Limits,
    /// What doing nothing costs.
    Idle,
    /// Files, in many directories and in one.
    Creates,
    /// Attributes and names.
    Reads,
    /// Directories in one directory.
    Directories,
    /// Files that move between two directories.
    Renames,
    /// A directory, with attributes.
    Listing,
}

/// What is measured.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    pub cluster: &'a Cluster,
    /// Libraries with connections of their own.
    pub machines: &'a [Client],
    /// For each figure.
    pub bound: Duration,
    /// Operations in flight, one round for each number.
    pub clients: &'a [usize],
    /// Directories that the work is spread over.
    pub directories: usize,
    /// Begins the names of all that is made in the root.
    pub prefix: &'a str,
    /// What of it.
    pub parts: &'a [MetaPart],
}

impl<'a> Plan<'a> {
    /// Measures everything; leaves its files behind.
    pub async fn measure(&self, report: &mut Report) -> Result<()> {
        let spread = format!("{}spread", self.prefix);
        let dirs = make_directories(&self.machines[0], &spread, self.directories).await?;
        let has = |part| self.parts.contains(&part);
        for (turn, clients) in self.clients.iter().enumerate() {
            let tag = |place| format!("{place}{turn}");
            if has(MetaPart::Creates) {
                self.creates(self.round(*clients), &dirs, [tag("s"), tag("o")], report)
                    .await?;
            }
        }
        for clients in self.clients {
            if has(MetaPart::Reads) {
                self.reads(self.round(*clients), &dirs, report).await?;
            }
        }
        let most = self.clients.iter().max().copied().unwrap_or(1);
        let round = self.round(most.min(64));
        if has(MetaPart::Directories) {
            self.directories(round, report).await?;
        }
        if has(MetaPart::Renames) {
            renames(round, &dirs, report).await?;
        }
        if has(MetaPart::Listing) {
            list(self.cluster, &self.machines[0], dirs[0], report).await?;
        }
        Ok(())
    }

    fn round(&self, clients: usize) -> Round<'a> {
        Round {
            cluster: self.cluster,
            machines: self.machines,
            bound: self.bound,
            clients,
        }
    }

    async fn creates(
        &self,
        round: Round<'a>,
        dirs: &[InodeId],
        tags: [String; 2],
        report: &mut Report,
    ) -> Result<()> {
        let [spread, one] = &tags;
        let file = |tag: &str, worker: Worker<'_>, n| name(format!("{tag}-{}-{n}", worker.index));
        let what = format!("create with 100 bytes in {} directories", dirs.len());
        let anywhere = |worker: Worker<'a>, n: u64| async move {
            let dir = dirs[(worker.index + n as usize * 7) % dirs.len()];
            create(worker.client, dir, &file(spread, worker, n)?).await
        };
        round.run(&what, report, anywhere).await?;
        let here = |worker: Worker<'a>, n: u64| async move {
            create(worker.client, dirs[0], &file(one, worker, n)?).await
        };
        let what = "create with 100 bytes in one directory";
        round.run(what, report, here).await.map(drop)
    }

    async fn reads(&self, round: Round<'a>, dirs: &[InodeId], report: &mut Report) -> Result<()> {
        let at = |worker: Worker<'_>, n: u64| dirs[(worker.index + n as usize) % dirs.len()];
        let one = |worker: Worker<'a>, n| stat(worker.client, at(worker, n));
        round.run("stat", report, one).await?;
        let known = name("known")?;
        for dir in dirs {
            // Made in an earlier round already, except for the first.
            let _ = create(&self.machines[0], *dir, &known).await;
        }
        let known = &known;
        let one = |worker: Worker<'a>, n| lookup(worker.client, at(worker, n), known);
        round.run("lookup", report, one).await.map(drop)
    }

    async fn directories(&self, round: Round<'a>, report: &mut Report) -> Result<()> {
        let parent = format!("{}parent", self.prefix);
        let parent = make_directories(&self.machines[0], &parent, 1).await?[0];
        let make = |worker: Worker<'a>, n: u64| async move {
            let name = name(format!("{}-{n}", worker.index))?;
            make_directory(worker.client, parent, &name).await.map(drop)
        };
        round
            .run("mkdir in one directory", report, make)
            .await
            .map(drop)
    }
}

/// Each client moves a file of its own to and fro.
async fn renames(round: Round<'_>, dirs: &[InodeId], report: &mut Report) -> Result<()> {
    let moving = |index: usize| name(format!("moving-{index}"));
    let places = |index: usize| [dirs[index % dirs.len()], dirs[(index + 1) % dirs.len()]];
    for index in 0..round.clients {
        create(&round.machines[0], places(index)[0], &moving(index)?).await?;
    }
    let there = |worker: Worker<'_>, n: u64| {
        let client = worker.client.clone();
        let index = worker.index;
        async move {
            let [from, to] = match n % 2 {
                0 => places(index),
                _ => [places(index)[1], places(index)[0]],
            };
            rename(&client, from, to, &moving(index)?).await
        }
    };
    let what = "rename across directories";
    round.run(what, report, there).await.map(drop)
}

/// Lists a directory again and again.
pub async fn list(
    cluster: &Cluster,
    client: &Client,
    dir: InodeId,
    report: &mut Report,
) -> Result<()> {
    let before = cpu::seconds_by_role(cluster)?;
    let (begin, mut entries, mut rounds) = (Instant::now(), 0, 0);
    while begin.elapsed() < Duration::from_secs(2) {
        entries += count(client, dir).await?;
        rounds += 1;
    }
    let used = cpu::servers(&cpu::difference(&before, &cpu::seconds_by_role(cluster)?));
    let each = entries as f64 / f64::from(rounds);
    report.add("entries in the listed directory", each, "");
    let rate = entries as f64 / begin.elapsed().as_secs_f64();
    report.add("listing with attributes", rate, "entries/s");
    let each = used * 1e6 / entries.max(1) as f64;
    report.add("listing, server CPU", each, "us/entry");
    Ok(())
}

/// The entries of a directory, page by page.
pub async fn count(client: &Client, dir: InodeId) -> Result<usize> {
    let (mut after, mut entries) = (None, 0);
    loop {
        let page = client.list_with_attributes(dir, after, 4096).await;
        let page = page.context("list")?;
        entries += page.entries.len();
        if !page.more {
            return Ok(entries);
        }
        after = page.cursor();
    }
}
