//! A program with a cluster is killed, as a test is that takes too long.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use eggs_harness::{program_dir, until};

const BOUND: Duration = Duration::from_secs(120);

#[test]
fn a_cluster_with_a_mount_goes_with_its_killed_owner() -> Result<()> {
    let bench = ["--seconds", "600", "meta"];
    killed("eggsbench", &bench, is_mounted_below)
}

#[test]
fn a_cluster_in_the_dress_of_a_nemesis_goes_with_its_killed_owner() -> Result<()> {
    let chaos = ["run", "--workload", "registers", "--nemesis", "none"];
    let all_run = |dir: &Path| users(dir) > 25;
    killed("eggstests", &chaos, all_run)
}

fn killed(program: &str, args: &[&str], runs: impl Fn(&Path) -> bool) -> Result<()> {
    let home = tempfile::tempdir()?;
    let mut owner = Command::new(program_dir()?.join(program))
        .args(args)
        .env("TMPDIR", home.path())
        .current_dir(home.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("start {program}"))?;
    let running = until("a cluster", BOUND, || runs(home.path()));
    owner.kill().context("kill the owner")?;
    owner.wait().context("wait for the owner")?;
    running?;
    until("nothing is left", BOUND, || {
        let files = fs::read_dir(home.path()).map_or(1, Iterator::count);
        files == 0 && !is_mounted_below(home.path()) && users(home.path()) == 0
    })?;
    Ok(())
}

fn is_mounted_below(dir: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.contains(&*dir.to_string_lossy())
}

/// Processes whose command lines name this directory.
fn users(dir: &Path) -> usize {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .filter(|line| String::from_utf8_lossy(line).contains(&*dir.to_string_lossy()))
        .count()
}
