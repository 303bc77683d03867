//! What the processes of a cluster have used, from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;

use anyhow::{Context, Result};
use eggs_harness::Cluster;

/// Clock ticks per second of `/proc/PID/stat`; fixed by the Linux ABI on x86.
const TICKS: f64 = 100.0;

/// CPU seconds, user and system, by process (`shard0`, `blocks3`, …). One that was killed a moment ago, and may still have its files, has
/// used none.
pub fn seconds_by_name(cluster: &Cluster) -> Result<BTreeMap<String, f64>> {
    let mut out = BTreeMap::new();
    for name in cluster.process_names()? {
        let Ok(pid) = cluster.pid(&name) else {
            continue;
        };
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        match stat {
            Ok(stat) if !stat.contains(") Z ") => {
                out.insert(name, seconds(&stat));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).context("read a process's times"),
        }
    }
    Ok(out)
}

/// CPU seconds, user and system, by role (`shard`, `blocks`, …).
pub fn seconds_by_role(cluster: &Cluster) -> Result<BTreeMap<String, f64>> {
    let mut out = BTreeMap::new();
    for (name, used) in seconds_by_name(cluster)? {
        let role = name
            .trim_end_matches(|c: char| c.is_ascii_digit())
            .to_string();
        *out.entry(role).or_insert(0.0) += used;
    }
    Ok(out)
}

/// CPU seconds of the threads that write and merge tables of RocksDB, in all processes together.
pub fn seconds_of_tables(cluster: &Cluster) -> Result<f64> {
    let mut total = 0.0;
    for name in cluster.process_names()? {
        let Ok(pid) = cluster.pid(&name) else {
            continue;
        };
        let threads = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero()));
        // A thread or process that has ended meanwhile has none.
        for thread in threads.into_iter().flatten().flatten() {
            let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            if stat.contains("(rocksdb:") {
                total += seconds(&stat);
            }
        }
    }
    Ok(total)
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

/// Microseconds of each operation by role, of the roles that matter, if that is more than one.
pub fn shares(used: &BTreeMap<String, f64>, operations: f64) -> Vec<(&str, f64)> {
    const MATTERS: f64 = 0.05;
    let all = servers(used);
    let roles = used.iter().filter(|(role, _)| *role != "fuse");
    let matter: Vec<_> = roles
        .filter(|(_, seconds)| **seconds > all * MATTERS)
        .map(|(role, seconds)| (role.as_str(), seconds * 1e6 / operations))
        .collect();
    if matter.len() > 1 { matter } else { Vec::new() }
}

/// CPU seconds of this process.
pub fn own() -> f64 {
    seconds(&fs::read_to_string("/proc/self/stat").unwrap_or_default())
}

/// User and system time in a line of `/proc/PID/stat`. The name in parentheses may hold blanks, so the
/// fields are counted from behind it.
fn seconds(stat: &str) -> f64 {
    let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' '));
    let times = fields.into_iter().flatten().skip(11).take(2);
    times
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum::<f64>()
        / TICKS
}

/// Resident memory of all processes, each shared page counted once per process.
pub fn resident_mb(cluster: &Cluster) -> Result<f64> {
    let mut total = 0.0;
    for name in cluster.process_names()? {
        let pid = cluster.pid(&name)?.as_raw_nonzero();
        total += megabytes(&format!("/proc/{pid}/status"), "VmRSS:")?;
    }
    Ok(total)
}

/// The most memory that any process of a role has had.
pub fn peak_mb(cluster: &Cluster, role: &str) -> Result<f64> {
    let mut most: f64 = 0.0;
    for name in cluster.process_names()? {
        if name.starts_with(role) {
            let pid = cluster.pid(&name)?.as_raw_nonzero();
            most = most.max(megabytes(&format!("/proc/{pid}/status"), "VmHWM:")?);
        }
    }
    Ok(most)
}

/// The most memory that this process has had.
pub fn own_peak_mb() -> Result<f64> {
    megabytes("/proc/self/status", "VmHWM:")
}

fn megabytes(path: &str, field: &str) -> Result<f64> {
    let status = fs::read_to_string(path).context("read a process's memory")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let line = line.unwrap_or_default().trim().trim_end_matches(" kB");
    Ok(line.parse().unwrap_or(0.0) * 1024.0 / 1e6)
}
