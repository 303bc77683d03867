//! What is measured of metadata, and where in a cluster it takes place.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use eggs_client::Client;
use eggs_proto::InodeId;
use futures::future::try_join_all;

use crate::crowd::Crowd;
use crate::operations::{create, lookup, make_directories, make_directory, name, rename, stat};
use crate::outcome::{Meter, Outcome, Unit};
use crate::round::{Round, Worker};

/// Files of the directory that is listed.
const LISTED: u64 = 40_000;

/// One operation that is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Files in many directories.
    CreateSpread,
    /// Files in one.
    CreateInOne,
    /// Attributes of directories.
    Stat,
    /// Names of files.
    Lookup,
    /// Names of files, each drawn from the whole crowd, hardly any of them twice.
    LookupDrawn,
    /// Directories in one.
    MakeDirectory,
    /// Files that move between two directories.
    Rename,
    /// A directory, with attributes.
    List,
}

/// Directories and files of a cluster that the work is done on.
pub struct Places {
    dirs: Vec<InodeId>,
    /// In all of `dirs`.
    known: eggs_proto::Name,
    /// Of new directories.
    parent: InodeId,
    listed: InodeId,
    /// If there is one.
    pub crowd: Option<Crowd>,
    /// Rounds so far: part of the names of what is made in each.
    rounds: AtomicU64,
}

impl Work {
    pub fn name(self, directories: usize) -> String {
        match self {
            Self::CreateSpread => format!("create with 100 bytes in {directories} directories"),
            Self::CreateInOne => "create with 100 bytes in one directory".into(),
            Self::Stat => "stat".into(),
            Self::Lookup => "lookup".into(),
            Self::LookupDrawn => "lookup of any file".into(),
            Self::MakeDirectory => "mkdir in one directory".into(),
            Self::Rename => "rename across directories".into(),
            Self::List => format!("listing of {LISTED} entries with attributes"),
        }
    }

    pub const fn unit(self) -> Unit {
        match self {
            Self::CreateSpread
            | Self::CreateInOne
            | Self::Stat
            | Self::Lookup
            | Self::LookupDrawn
            | Self::MakeDirectory
            | Self::Rename => Unit::Operations,
            Self::List => Unit::Entries,
        }
    }
}

impl Places {
    /// Makes what the work needs, some of it only if it is to be done. The prefix makes the names of directories its own.
    pub async fn make(
        client: &Client,
        prefix: &str,
        directories: usize,
        works: &[Work],
    ) -> Result<Self> {
        let known = name("known")?;
        let dirs = make_directories(client, &format!("{prefix}spread"), directories).await?;
        if works.contains(&Work::Lookup) {
            try_join_all(dirs.iter().map(|dir| create(client, *dir, &known))).await?;
        }
        let (parent, listed) = (
            make_directories(client, &format!("{prefix}parent"), 1).await?[0],
            make_directories(client, &format!("{prefix}listed"), 1).await?[0],
        );
        if works.contains(&Work::List) {
            make_listed(client, listed).await?;
        }
        Ok(Self {
            dirs,
            known,
            parent,
            listed,
            crowd: None,
            rounds: AtomicU64::new(0),
        })
    }

    pub fn directories(&self) -> usize {
        self.dirs.len()
    }

    /// One round of it.
    pub async fn run(&self, work: Work, round: Round<'_>) -> Result<Outcome> {
        let number = self.rounds.fetch_add(1, Ordering::Relaxed);
        let done = match work {
            Work::CreateSpread => self.create_spread(number, round).await,
            Work::CreateInOne => self.create_in_one(number, round).await,
            Work::Stat => self.stat(round).await,
            Work::Lookup => self.lookup(round).await,
            Work::LookupDrawn => self.lookup_drawn(number, round).await,
            Work::MakeDirectory => self.make_directory(number, round).await,
            Work::Rename => self.rename(number, round).await,
            Work::List => list(round, self.listed).await,
        };
        done.with_context(|| work.name(self.dirs.len()))
    }

    async fn create_spread(&self, number: u64, round: Round<'_>) -> Result<Outcome> {
        let make = |worker: Worker<'_>, n: u64| {
            let (client, index) = (worker.client.clone(), worker.index);
            let dir = self.dirs[(index + n as usize * 7) % self.dirs.len()];
            async move { create(&client, dir, &name(format!("s{number}-{index}-{n}"))?).await }
        };
        round.run(make).await
    }

    async fn create_in_one(&self, number: u64, round: Round<'_>) -> Result<Outcome> {
        let make = |worker: Worker<'_>, n: u64| {
            let (client, index, dir) = (worker.client.clone(), worker.index, self.dirs[0]);
            async move { create(&client, dir, &name(format!("o{number}-{index}-{n}"))?).await }
        };
        round.run(make).await
    }

    fn at(&self, worker: Worker<'_>, n: u64) -> InodeId {
        self.dirs[(worker.index + n as usize) % self.dirs.len()]
    }

    async fn stat(&self, round: Round<'_>) -> Result<Outcome> {
        let one = |worker: Worker<'_>, n| {
            let (client, dir) = (worker.client.clone(), self.at(worker, n));
            async move { stat(&client, dir).await }
        };
        round.run(one).await
    }

    async fn lookup(&self, round: Round<'_>) -> Result<Outcome> {
        let one = |worker: Worker<'_>, n| {
            let (client, dir) = (worker.client.clone(), self.at(worker, n));
            async move { lookup(&client, dir, &self.known).await }
        };
        round.run(one).await
    }

    async fn lookup_drawn(&self, number: u64, round: Round<'_>) -> Result<Outcome> {
        let crowd = self.crowd.as_ref().context("there is no crowd")?;
        let one = |worker: Worker<'_>, n: u64| {
            let (client, index) = (worker.client.clone(), worker.index as u64);
            async move {
                let (dir, name) = crowd.draw(number << 48 | index << 32 | n)?;
                lookup(&client, dir, &name).await
            }
        };
        round.run(one).await
    }

    async fn make_directory(&self, number: u64, round: Round<'_>) -> Result<Outcome> {
        let make = |worker: Worker<'_>, n: u64| {
            let (client, index) = (worker.client.clone(), worker.index);
            async move {
                let name = name(format!("{number}-{index}-{n}"))?;
                make_directory(&client, self.parent, &name).await.map(drop)
            }
        };
        round.run(make).await
    }

    /// Each client moves a file of its own to and fro.
    async fn rename(&self, number: u64, round: Round<'_>) -> Result<Outcome> {
        let moving = |index: usize| name(format!("moving{number}-{index}"));
        let dir = |index: usize| self.dirs[index % self.dirs.len()];
        for index in 0..round.clients {
            create(&round.machines[0], dir(index), &moving(index)?).await?;
        }
        let there = |worker: Worker<'_>, n: u64| {
            let (client, index) = (worker.client.clone(), worker.index);
            async move {
                let (from, to) = match n % 2 {
                    0 => (index, index + 1),
                    _ => (index + 1, index),
                };
                rename(&client, dir(from), dir(to), &moving(index)?).await
            }
        };
        round.run(there).await
    }
}

async fn make_listed(client: &Client, dir: InodeId) -> Result<()> {
    const AT_ONCE: u64 = 256;
    for first in (0..LISTED).step_by(AT_ONCE as usize) {
        let some = first..LISTED.min(first + AT_ONCE);
        let make =
            some.map(|n| async move { create(client, dir, &name(format!("listed-{n}"))?).await });
        try_join_all(make).await?;
    }
    Ok(())
}

/// Lists a directory again and again.
pub async fn list(round: Round<'_>, dir: InodeId) -> Result<Outcome> {
    let meter = Meter::begin(round.cluster)?;
    let (begin, mut entries) = (Instant::now(), 0);
    while begin.elapsed() < round.bound {
        entries += count(&round.machines[0], dir).await?;
    }
    meter.end(entries, Vec::new(), round.late_tables).await
}

/// The entries of a directory, page by page.
async fn count(client: &Client, dir: InodeId) -> Result<u64> {
    let (mut after, mut entries) = (None, 0);
    loop {
        let page = client.list_with_attributes(dir, after, 4096).await;
        let page = page.context("list")?;
        entries += page.entries.len() as u64;
        if !page.more {
            return Ok(entries);
        }
        after = page.cursor();
    }
}
