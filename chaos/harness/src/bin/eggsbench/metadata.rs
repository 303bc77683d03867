//! Creates, stats and listings through the library.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use eggs_client::Client;
use eggs_harness::Cluster;
use eggs_proto::shard::Replace;
use eggs_proto::{AttributeChange, InodeId, Name, NewAttributes};
use futures::future::try_join_all;

use crate::cpu;
use crate::report::Report;

const ATTRIBUTES: NewAttributes = NewAttributes {
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: None,
    atime: None,
};

/// Directories that the work is spread over.
const DIRECTORIES: usize = 64;

/// Measures with 1 and 64 clients, in many directories and in one.
pub async fn measure(
    cluster: &Cluster,
    client: &Client,
    bound: Duration,
    report: &mut Report,
) -> Result<()> {
    let begin = Instant::now();
    let before = cpu::seconds_by_role(cluster)?;
    let dirs = make_directories(client).await?;
    let used = cpu::servers(&cpu::difference(&before, &cpu::seconds_by_role(cluster)?));
    let per_second = DIRECTORIES as f64 / begin.elapsed().as_secs_f64();
    report.add("mkdir in one directory, 64 clients", per_second, "1/s");
    report.add(
        "mkdir in one directory, server CPU",
        used * 1e6 / DIRECTORIES as f64,
        "us/op",
    );
    for (what, workers, spread) in [
        ("create with 100 bytes, 1 client", 1, 1),
        (
            "create with 100 bytes, 64 clients, 64 directories",
            64,
            DIRECTORIES,
        ),
        ("create with 100 bytes, 64 clients, 1 directory", 64, 1),
    ] {
        let round = Round {
            cluster,
            bound,
            workers,
        };
        round
            .run(what, report, |worker, number| {
                create(client, dirs[worker % spread], what, worker, number)
            })
            .await?;
    }
    let round = Round {
        cluster,
        bound,
        workers: 64,
    };
    round
        .run("stat, 64 clients", report, |worker, _| {
            stat(client, dirs[worker])
        })
        .await?;
    round
        .run("lookup, 64 clients", report, |worker, number| {
            lookup(client, dirs[worker], worker, number)
        })
        .await?;
    list(cluster, client, dirs[0], report).await
}

async fn make_directories(client: &Client) -> Result<Vec<InodeId>> {
    let make = |n: usize| async move {
        let name = Name::new(format!("bench-{n}")).context("name a directory")?;
        let attributes = NewAttributes {
            mode: 0o755,
            ..ATTRIBUTES
        };
        client
            .make_directory(InodeId::ROOT, &name, attributes)
            .await
            .context("make a directory")
    };
    try_join_all((0..DIRECTORIES).map(make)).await
}

async fn create(
    client: &Client,
    dir: InodeId,
    what: &str,
    worker: usize,
    number: u64,
) -> Result<()> {
    let tag = what.len(); // tells the rounds apart
    let name = Name::new(format!("f{tag}-{worker}-{number}")).context("name a file")?;
    let mut writer = client.create(dir, ATTRIBUTES, "bench");
    writer.write(&[7; 100]).await.context("write")?;
    writer
        .link(&name, Replace::Never, AttributeChange::default())
        .await
        .context("link")
        .map(drop)
}

async fn stat(client: &Client, dir: InodeId) -> Result<()> {
    client.stat(dir).await.context("stat").map(drop)
}

async fn lookup(client: &Client, dir: InodeId, worker: usize, number: u64) -> Result<()> {
    let tag = "create with 100 bytes, 64 clients, 64 directories".len();
    let name = Name::new(format!("f{tag}-{worker}-{}", number % 16)).context("name a file")?;
    match client.lookup(dir, &name).await {
        Err(error) if !error.is_not_found() => Err(error).context("look up"),
        Ok(_) | Err(_) => Ok(()),
    }
}

async fn list(cluster: &Cluster, client: &Client, dir: InodeId, report: &mut Report) -> Result<()> {
    let before = cpu::seconds_by_role(cluster)?;
    let (begin, mut entries, mut rounds) = (Instant::now(), 0, 0);
    while begin.elapsed() < Duration::from_secs(2) {
        let mut after = None;
        loop {
            let page = client
                .list_with_attributes(dir, after, 4096)
                .await
                .context("list")?;
            entries += page.entries.len();
            after = page.cursor();
            if !page.more {
                break;
            }
        }
        rounds += 1;
    }
    let used = cpu::servers(&cpu::difference(&before, &cpu::seconds_by_role(cluster)?));
    report.add(
        "entries in the listed directory",
        f64::from(entries as u32) / f64::from(rounds),
        "",
    );
    report.add(
        "listing with attributes",
        entries as f64 / begin.elapsed().as_secs_f64(),
        "entries/s",
    );
    report.add(
        "listing, server CPU",
        used * 1e6 / entries.max(1) as f64,
        "us/entry",
    );
    Ok(())
}

struct Round<'a> {
    cluster: &'a Cluster,
    bound: Duration,
    workers: usize,
}

impl Round<'_> {
    /// Repeats an operation on every worker until the time is over.
    async fn run<F>(
        &self,
        what: &str,
        report: &mut Report,
        operation: impl Fn(usize, u64) -> F,
    ) -> Result<()>
    where
        F: Future<Output = Result<()>>,
    {
        let before = cpu::seconds_by_role(self.cluster)?;
        let (begin, count) = (Instant::now(), AtomicU64::new(0));
        let (operation, count) = (&operation, &count);
        let worker = |worker: usize| async move {
            let mut number = 0;
            while begin.elapsed() < self.bound {
                operation(worker, number).await?;
                number += 1;
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<(), anyhow::Error>(())
        };
        try_join_all((0..self.workers).map(worker))
            .await
            .with_context(|| what.to_string())?;
        let count = count.load(Ordering::Relaxed) as f64;
        let used = cpu::servers(&cpu::difference(
            &before,
            &cpu::seconds_by_role(self.cluster)?,
        ));
        report.add(what, count / begin.elapsed().as_secs_f64(), "1/s");
        report.add(
            &format!("{what}: server CPU"),
            used * 1e6 / count.max(1.0),
            "us/op",
        );
        Ok(())
    }
}
