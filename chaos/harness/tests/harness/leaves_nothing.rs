//! A program with a cluster is killed, as a test is that takes too long.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use eggs_harness::{program_dir, until};

const BOUND: Duration = Duration::from_secs(120);

#[test]
fn a_killed_owner_of_a_cluster_leaves_nothing_behind() -> Result<()> {
    let home = tempfile::tempdir()?;
    let mut owner = Command::new(program_dir()?.join("eggstests"))
        .args(["run", "--workload", "registers", "--nemesis", "none"])
        .args(["--time", "3600"])
        .env("TMPDIR", home.path())
        .current_dir(home.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("start eggstests")?;
    let mounted = until("a mount", BOUND, || is_mounted_below(home.path()));
    owner.kill().context("kill eggstests")?;
    owner.wait().context("wait for eggstests")?;
    mounted?;
    until("nothing is left", BOUND, || {
        let files = fs::read_dir(home.path()).map_or(1, Iterator::count);
        files == 0 && !is_mounted_below(home.path()) && !anybody_names(home.path())
    })?;
    Ok(())
}

fn is_mounted_below(dir: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.contains(&*dir.to_string_lossy())
}

/// Whether the command line of a process names this directory.
fn anybody_names(dir: &Path) -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .any(|line| String::from_utf8_lossy(&line).contains(&*dir.to_string_lossy()))
}
