//! Processes that may use only a share of a core each, as if each had a slow machine of its own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::process::Pid;

/// Where Linux shows the CPU controller of control groups, version 1.
const CONTROLLER: &str = "/sys/fs/cgroup/cpu";
/// In front of the names of groups that this makes.
const PREFIX: &str = "eggsbench-";
/// How often shares are given out, in microseconds: often, so that one that is used up does not hold anybody up for long.
const PERIOD: u32 = 20_000;

/// Holds processes to their shares until it is dropped.
pub struct Shares {
    /// A group for each of them.
    groups: Vec<PathBuf>,
    /// Where the processes were.
    home: PathBuf,
}

impl Shares {
    /// Gives each of the processes so many hundredths of a core. Fails where that is not allowed, and where there is no such controller.
    pub fn hold(processes: &[Pid], percent: u32) -> Result<Self> {
        let home = Path::new(CONTROLLER).join(own_group()?.trim_start_matches('/'));
        remove_leftovers(&home);
        let mut shares = Self {
            groups: Vec::new(),
            home,
        };
        for process in processes {
            let process = process.as_raw_nonzero();
            let group = shares.home.join(format!("{PREFIX}{process}"));
            fs::create_dir(&group).with_context(|| format!("make {}", group.display()))?;
            shares.groups.push(group.clone());
            write(&group.join("cpu.cfs_period_us"), PERIOD)?;
            write(&group.join("cpu.cfs_quota_us"), PERIOD * percent / 100)?;
            write(&group.join("cgroup.procs"), process)?;
        }
        Ok(shares)
    }
}

impl Drop for Shares {
    fn drop(&mut self) {
        for group in &self.groups {
            let inside = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
            for process in inside.lines() {
                // It may have ended.
                let _ = write(&self.home.join("cgroup.procs"), process);
            }
            if let Err(error) = fs::remove_dir(group) {
                eprintln!("cannot remove {}: {error}", group.display());
            }
        }
    }
}

/// Of this process.
fn own_group() -> Result<String> {
    let all = fs::read_to_string("/proc/self/cgroup").context("read /proc/self/cgroup")?;
    let group = all.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, group) = rest.split_once(':')?;
        let is_cpu = controllers.split(',').any(|name| name == "cpu");
        is_cpu.then(|| group.to_owned())
    });
    group.context("there is no CPU controller of control groups, version 1")
}

/// Of a benchmark that was killed. One that has processes in it stays.
fn remove_leftovers(home: &Path) {
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

fn write(path: &Path, value: impl ToString) -> Result<()> {
    let written: io::Result<()> = fs::write(path, value.to_string());
    written.with_context(|| format!("write {}", path.display()))
}
