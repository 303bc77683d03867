//! `make bench-data`: throughput and CPU through the library, healthy and with services paused or lost, next to the limits of the
//! same run.

use std::sync::OnceLock;
use std::time::Instant;

use anyhow::{Context, Result};
use eggs_client::Client;
use eggs_harness::{Cluster, Content};
use eggs_proto::shard::Replace;
use eggs_proto::{AttributeChange, InodeId};
use futures::future::try_join_all;

use crate::cpu;
use crate::data_limits::DataLimits;
use crate::data_writes::beside_a_paused_service;
use crate::operations::{ATTRIBUTES, make_directories, name};
use crate::report::Report;
use crate::settled::settled;

const PIECE: usize = 1 << 20;
/// Random reads in flight.
const RANDOM: usize = 16;
/// Times that a large file is read.
const ROUNDS: usize = 5;
/// Streams of the measurement of memory.
const STREAMS: usize = 16;

pub struct DataPlan<'a> {
    pub cluster: &'a Cluster,
    pub client: &'a Client,
    pub megabytes: usize,
    pub small_files: usize,
    pub parts: DataParts,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DataParts {
    /// Everything.
    All,
    /// Reading a large file, in a stream and at random.
    Reads,
    /// Reading a large file, healthy, and with services paused and lost.
    Degraded,
}

/// What is compared of what is read. The library verifies every byte in any case; what a program does with its bytes is
/// no part of what reading costs, so measurements look at the ends of each piece, after a pass that compared everything.
#[derive(Clone, Copy)]
pub enum Compare {
    EveryByte,
    Ends,
}

impl Compare {
    fn agree(self, read: &[u8], expected: &[u8]) -> bool {
        const END: usize = 4096;
        match self {
            Self::EveryByte => read == expected,
            Self::Ends => {
                let (head, tail) = (END.min(read.len()), read.len().saturating_sub(END));
                read.len() == expected.len()
                    && read[..head] == expected[..head]
                    && read[tail..] == expected[tail..]
            }
        }
    }
}

/// What a stretch of work took.
pub struct Took {
    pub seconds: f64,
    client: f64,
    servers: f64,
}

impl Took {
    pub const fn cpu(&self) -> f64 {
        self.client + self.servers
    }

    /// That of the middle, by CPU. There is one at least.
    pub fn middle(mut all: Vec<Self>) -> Self {
        all.sort_by(|a, b| a.cpu().total_cmp(&b.cpu()));
        all.swap_remove(all.len() / 2)
    }
}

impl DataPlan<'_> {
    pub async fn measure(&self, report: &mut Report) -> Result<()> {
        let limits = DataLimits::measure(self.cluster, report)?;
        let gigabytes = (self.megabytes << 20) as f64 / 1e9;
        let (file, wrote) = self.write("streamed", self.megabytes).await?;
        show("write", gigabytes, &wrote, report);
        let floor =
            1.4 * limits.tcp + limits.encode + 2.0 * 1.4 * limits.xxh64 + 1.4 * limits.files;
        let share = wrote.cpu() / gigabytes / floor;
        report.add("write: CPU over that of its parts", share, "times");
        self.read(file, Compare::EveryByte).await?; // into the page cache
        settled(self.cluster).await?; // what was written is no part of what reading costs
        let healthy = self.reads(file).await?;
        show("read", gigabytes, &healthy, report);
        let floor = limits.tcp + limits.xxh64;
        let share = healthy.cpu() / gigabytes / floor;
        report.add("read: CPU over that of its parts", share, "times");
        let share = healthy.cpu() / gigabytes / (limits.tcp_unpaced + limits.xxh64);
        let what = "read: CPU over that of its parts without pacing";
        report.add(what, share, "times");
        match self.parts {
            DataParts::All => {}
            DataParts::Reads => return self.random(file, report).await,
            DataParts::Degraded => return self.degraded(file, &healthy, report).await,
        }
        self.random(file, report).await?;
        self.small(report).await?;
        self.streams(report).await?;
        let content = &pattern()[..2 * PIECE];
        beside_a_paused_service(self.cluster, self.client, content, report).await?;
        self.degraded(file, &healthy, report).await
    }

    async fn timed<T>(&self, work: impl Future<Output = Result<T>>) -> Result<(T, Took)> {
        let (before, own) = (cpu::seconds_by_role(self.cluster)?, cpu::own());
        let begin = Instant::now();
        let out = work.await?;
        let seconds = begin.elapsed().as_secs_f64();
        let used = cpu::difference(&before, &cpu::seconds_by_role(self.cluster)?);
        let took = Took {
            seconds,
            client: cpu::own() - own,
            servers: cpu::servers(&used),
        };
        Ok((out, took))
    }

    async fn write(&self, file: &str, megabytes: usize) -> Result<(InodeId, Took)> {
        let pattern = pattern();
        self.timed(async {
            let mut writer = self.client.create(InodeId::ROOT, ATTRIBUTES, "bench");
            for piece in 0..megabytes {
                let from = piece % 64 * PIECE;
                let bytes = &pattern[from..from + PIECE];
                writer.write(bytes).await.context("write")?;
            }
            let change = AttributeChange::default();
            let linked = writer.link(&name(file)?, Replace::Files, change).await;
            Ok(linked.context("link")?.inode)
        })
        .await
    }

    /// Several times; that of the middle, by CPU.
    async fn reads(&self, file: InodeId) -> Result<Took> {
        Ok(Took::middle(self.passes(file).await?))
    }

    /// One pass after the other.
    pub async fn passes(&self, file: InodeId) -> Result<Vec<Took>> {
        let mut all = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            all.push(self.read(file, Compare::Ends).await?);
        }
        Ok(all)
    }

    pub async fn read(&self, file: InodeId, compare: Compare) -> Result<Took> {
        let pattern = pattern();
        let (_, took) = self
            .timed(async {
                let reader = self.client.open(file).await.context("open")?;
                let mut offset = 0;
                while offset < reader.size() {
                    let read = reader.read_at(offset, PIECE).await.context("read")?;
                    let from = (offset as usize / PIECE) % 64 * PIECE;
                    let expected = &pattern[from..from + read.len()];
                    anyhow::ensure!(compare.agree(&read, expected), "wrong bytes at {offset}");
                    offset += read.len() as u64;
                }
                Ok(())
            })
            .await?;
        Ok(took)
    }

    async fn random(&self, file: InodeId, report: &mut Report) -> Result<()> {
        const READS: usize = 4_000;
        let reader = self.client.open(file).await.context("open")?;
        let pages = reader.size() / 4096;
        let one = |stream: usize| {
            let reader = &reader;
            async move {
                let mut place = stream as u64;
                for _ in 0..READS {
                    place = place
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    let page = (place >> 33) % pages;
                    let read = reader.read_at(page * 4096, 4096).await.context("read")?;
                    anyhow::ensure!(read.len() == 4096, "a short read");
                }
                anyhow::Ok(())
            }
        };
        let work = async { try_join_all((0..RANDOM).map(one)).await };
        let (_, took) = self.timed(work).await?;
        let reads = (RANDOM * READS) as f64;
        let what = format!("random reads of 4 KiB, {RANDOM} at once");
        report.add(&what, reads / took.seconds, "1/s");
        report.add(
            &format!("{what}: CPU in all"),
            took.cpu() * 1e6 / reads,
            "us/op",
        );
        Ok(())
    }

    /// Files of 10 KiB: what they cost in time, CPU and space.
    async fn small(&self, report: &mut Report) -> Result<()> {
        const BYTES: usize = 10 << 10;
        let dirs = make_directories(self.client, "small", 64).await?;
        let stored_before = stored_bytes(self.cluster)?;
        let content = Content {
            seed: 3,
            bytes: BYTES,
        }
        .make();
        let one = |worker: usize| {
            let (dirs, content) = (&dirs, &content);
            async move {
                let mut made = Vec::new();
                for n in 0..self.small_files / 64 {
                    let dir = dirs[(worker + n) % dirs.len()];
                    let mut writer = self.client.create(dir, ATTRIBUTES, "bench");
                    writer.write(content).await.context("write")?;
                    let change = AttributeChange::default();
                    let linked = writer
                        .link(&name(format!("{worker}-{n}"))?, Replace::Never, change)
                        .await;
                    made.push(linked.context("link")?.inode);
                }
                anyhow::Ok(made)
            }
        };
        let work = async { try_join_all((0..64).map(one)).await };
        let requests = self.client.requests();
        let (files, took) = self.timed(work).await?;
        let wrote = self.client.requests() - requests;
        let files = files.concat();
        let count = files.len().max(1) as f64;
        let what = "files of 10 KiB, 64 clients";
        show_files(&format!("{what}: written"), count, &took, report);
        let each = wrote as f64 / count;
        report.add(&format!("{what}: written, requests"), each, "each");
        let one = |part: Vec<InodeId>| async move {
            for file in part {
                let reader = self.client.open(file).await.context("open")?;
                let read = reader.read_at(0, BYTES).await.context("read")?;
                anyhow::ensure!(read.len() == BYTES, "a short read");
            }
            anyhow::Ok(())
        };
        let parts = files
            .chunks(files.len().div_ceil(64).max(1))
            .map(<[_]>::to_vec);
        let work = async { try_join_all(parts.map(one)).await };
        let requests = self.client.requests();
        let (_, took) = self.timed(work).await?;
        let each = (self.client.requests() - requests) as f64 / count;
        show_files(&format!("{what}: read"), count, &took, report);
        report.add(&format!("{what}: read, requests"), each, "each");
        let stored = stored_bytes(self.cluster)?.saturating_sub(stored_before) as f64;
        report.add(&format!("{what}: stored"), stored / count, "bytes each");
        // The default policy keeps small extents in five copies.
        let share = stored / count / (5 * BYTES) as f64;
        report.add(
            &format!("{what}: stored over the policy's overhead"),
            share,
            "times",
        );
        Ok(())
    }

    /// Streams at once, and what they take of memory.
    async fn streams(&self, report: &mut Report) -> Result<()> {
        let one = |stream: usize| async move {
            let (file, _) = self.write(&format!("stream{stream}"), 64).await?;
            self.read(file, Compare::Ends).await.map(drop)
        };
        let work = async { try_join_all((0..STREAMS).map(one)).await };
        let (_, took) = self.timed(work).await?;
        let gigabytes = (STREAMS * 64 * PIECE) as f64 / 1e9;
        let what = format!("{STREAMS} streams, written and read");
        report.add(&what, gigabytes * 2e3 / took.seconds, "MB/s");
        let own = cpu::own_peak_mb()?;
        let pattern = pattern().len() as f64 / 1e6;
        report.add(
            &format!("{what}: largest size of the client, without what is written"),
            own - pattern,
            "MB",
        );
        let most = cpu::peak_mb(self.cluster, "blocks")?;
        report.add(&format!("{what}: largest eggsblocks"), most, "MB");
        Ok(())
    }
}

/// Bytes of all block files, their page checksums included.
fn stored_bytes(cluster: &Cluster) -> Result<u64> {
    let sizes = cluster.block_files()?.into_iter().map(|path| {
        // A block that is collected meanwhile counts for nothing.
        std::fs::metadata(path).map_or(0, |found| found.len())
    });
    Ok(sizes.sum())
}

/// What files are made of; one for all, so that the size of this process is that of the library.
fn pattern() -> &'static [u8] {
    static PATTERN: OnceLock<Vec<u8>> = OnceLock::new();
    PATTERN.get_or_init(|| {
        Content {
            seed: 1,
            bytes: 64 * PIECE,
        }
        .make()
    })
}

fn show(what: &str, gigabytes: f64, took: &Took, report: &mut Report) {
    report.add(what, gigabytes / took.seconds, "GB/s");
    report.add(
        &format!("{what}: client CPU"),
        took.client / gigabytes,
        "CPU-s/GB",
    );
    report.add(
        &format!("{what}: server CPU"),
        took.servers / gigabytes,
        "CPU-s/GB",
    );
}

fn show_files(what: &str, count: f64, took: &Took, report: &mut Report) {
    report.add(what, count / took.seconds, "1/s");
    let each = |seconds: f64| seconds * 1e6 / count;
    report.add(&format!("{what}, client CPU"), each(took.client), "us/op");
    report.add(&format!("{what}, server CPU"), each(took.servers), "us/op");
}
