//! An application that works on the mount while something is done to the cluster, and must notice nothing but pauses.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{Cluster, Content, until};

/// How long the application may stand still.
const PAUSE_MAX: Duration = Duration::from_secs(120);
const FILE_BYTES: usize = 2_000;

/// Makes directories, files and moves them, one after the other.
#[derive(Default)]
pub struct Mover {
    stop: AtomicBool,
    rounds: AtomicU64,
}

impl Mover {
    /// Runs one beside `act`, and gives how many files it has moved; an error that it met is returned.
    pub fn beside(cluster: &Cluster, act: impl FnOnce(&Self) -> Result<()>) -> Result<u64> {
        let mover = Self::default();
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| mover.work(cluster));
            let outcome = act(&mover);
            mover.stop.store(true, Ordering::Relaxed);
            let count = worker.join().expect("the worker does not panic");
            outcome?;
            count.context("an error reached the application")
        })
    }

    /// Waits until it has done something more.
    pub fn goes_on(&self) -> Result<()> {
        let before = self.rounds.load(Ordering::Relaxed);
        until("the application goes on", PAUSE_MAX, || {
            self.rounds.load(Ordering::Relaxed) > before + 3
        })
        .map(drop)
    }

    fn work(&self, cluster: &Cluster) -> Result<u64> {
        let mut round = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let dir = cluster.mount().join(format!("dir-{round}"));
            fs::create_dir(&dir).with_context(|| format!("make {}", dir.display()))?;
            fs::write(dir.join("new"), content(round).make()).context("write")?;
            let name = cluster.mount().join(format!("file-{round}"));
            fs::rename(dir.join("new"), &name)
                .with_context(|| format!("move {}", name.display()))?;
            round += 1;
            self.rounds.store(round, Ordering::Relaxed);
        }
        Ok(round)
    }
}

/// Reads what was moved, and looks whether the cluster is whole.
pub fn check_moved(cluster: &Cluster, count: u64) -> Result<()> {
    cluster.wait_healthy()?;
    for seed in 0..count {
        let path = cluster.mount().join(format!("file-{seed}"));
        let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        content(seed).check(&bytes).map_err(anyhow::Error::msg)?;
    }
    cluster.cli(&["fsck"])?.ok().map(drop)
}

const fn content(seed: u64) -> Content {
    Content {
        seed,
        bytes: FILE_BYTES,
    }
}
