//! What the processes of a cluster have used, from `/proc`.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use eggs_harness::Cluster;

/// Clock ticks per second of `/proc/PID/stat`; fixed by the Linux ABI on x86.
const TICKS: f64 = 100.0;

/// CPU seconds, user and system, by role (`shard`, `blocks`, …).
pub fn seconds_by_role(cluster: &Cluster) -> Result<BTreeMap<String, f64>> {
    let mut out = BTreeMap::new();
    for name in cluster.process_names()? {
        let pid = cluster.pid(&name)?.as_raw_nonzero();
        let stat =
            fs::read_to_string(format!("/proc/{pid}/stat")).context("read a process's times")?;
        let fields: Vec<&str> = stat
            .rsplit_once(") ")
            .map(|(_, rest)| rest.split(' ').collect())
            .unwrap_or_default();
        let ticks = |at: usize| {
            fields
                .get(at)
                .and_then(|text| text.parse::<f64>().ok())
                .unwrap_or(0.0)
        };
        let role = name
            .trim_end_matches(|c: char| c.is_ascii_digit())
            .to_string();
        *out.entry(role).or_insert(0.0) += (ticks(11) + ticks(12)) / TICKS;
    }
    Ok(out)
}

/// What was used between two readings.
pub fn difference(
    before: &BTreeMap<String, f64>,
    after: &BTreeMap<String, f64>,
) -> BTreeMap<String, f64> {
    let used = |role: &String, now: f64| now - before.get(role).copied().unwrap_or(0.0);
    after
        .iter()
        .map(|(role, now)| (role.clone(), used(role, *now)))
        .collect()
}

/// Used by the servers, that is, by all but the mount.
pub fn servers(used: &BTreeMap<String, f64>) -> f64 {
    used.iter()
        .filter(|(role, _)| *role != "fuse")
        .map(|(_, seconds)| seconds)
        .sum()
}

/// CPU seconds of this process.
pub fn own() -> f64 {
    let usage = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = usage
        .rsplit_once(") ")
        .map(|(_, rest)| rest.split(' ').collect())
        .unwrap_or_default();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|text| text.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / TICKS
}

/// Resident memory of all processes, each shared page counted once per process.
pub fn resident_mb(cluster: &Cluster) -> Result<f64> {
    let mut total = 0.0;
    for name in cluster.process_names()? {
        let pid = cluster.pid(&name)?.as_raw_nonzero();
        let status =
            fs::read_to_string(format!("/proc/{pid}/status")).context("read a process's memory")?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap_or_default();
        let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap_or(0.0);
        total += kib * 1024.0 / 1e6;
    }
    Ok(total)
}
