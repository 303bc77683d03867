//! `eggsrun` as scripts use it.

use std::fs;
use std::net::TcpListener;

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use eggs_harness::{Cluster, Options, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const BOUND: Duration = Duration::from_secs(120);

const SMALL: Options<'static> = Options {
    args: &[
        "--meta-replicas=1",
        "--failure-domains=5",
        "--hdd-per-domain=0",
    ],
    small_disks: &[],
    data: None,
};

#[test]
fn one_process_is_killed_paused_resumed_and_started() -> Result<()> {
    let cluster = Cluster::start(SMALL)?;
    let state = |name: &str| -> Result<String> {
        let text = cluster.eggsrun(&["status", "--json"])?.stdout;
        let status: Value = serde_json::from_str(&text)?;
        let processes = status["processes"].as_array().cloned().unwrap_or_default();
        let found = processes.iter().find(|process| process["name"] == name);
        Ok(found
            .and_then(|process| process["state"].as_str())
            .unwrap_or("unknown")
            .to_string())
    };
    assert_eq!(state("blocks2")?, "running");
    cluster.eggsrun(&["kill", "blocks2"])?.ok()?;
    assert_eq!(state("blocks2")?, "dead");
    assert!(!cluster.eggsrun(&["kill", "blocks2"])?.status.success());
    cluster.eggsrun(&["start", "blocks2"])?.ok()?;
    assert_eq!(state("blocks2")?, "running");
    cluster.eggsrun(&["pause", "gc0"])?.ok()?;
    assert_eq!(state("gc0")?, "paused");
    cluster.eggsrun(&["resume", "gc0"])?.ok()?;
    assert_eq!(state("gc0")?, "running");
    let unknown = cluster.eggsrun(&["kill", "shard7"])?;
    assert!(
        unknown.stderr.contains("there is no process shard7"),
        "{}",
        unknown.stderr
    );
    // The mount comes back after its daemon was killed.
    fs::write(cluster.mount().join("file"), "content")?;
    cluster.eggsrun(&["kill", "fuse0"])?.ok()?;
    cluster.eggsrun(&["start", "fuse0"])?.ok()?;
    let read = || Ok(fs::read_to_string(cluster.mount().join("file"))?);
    assert_eq!(
        eggs_harness::eventually(Duration::from_secs(30), read)?,
        "content"
    );
    Ok(())
}

/// Five failure domains are too few for the built-in policies, and enough for those that are set and used.
#[test]
fn a_small_cluster_is_healthy_with_policies_that_fit() -> Result<()> {
    let cluster = Cluster::start(SMALL)?;
    let codes = || -> Result<Vec<String>> {
        let health: Value = serde_json::from_str(&cluster.cli(&["--json", "status"])?.stdout)?;
        let findings = health["health"]["findings"].as_array().cloned();
        let code = |finding: Value| finding["code"].as_str().map(String::from);
        Ok(findings
            .context("no findings")?
            .into_iter()
            .filter_map(code)
            .collect())
    };
    assert!(codes()?.contains(&"FAILURE_DOMAINS_BELOW_SCHEME".into()));
    for policy in [["extent", "64K=1+2,20M=3+2"], ["class", "1G"]] {
        let set = [&["policy", "set", "/"], &policy[..]].concat();
        cluster.cli(&set)?.ok()?;
    }
    until("the cluster is healthy", BOUND, || {
        let written = fs::write(cluster.mount().join("file"), vec![7; 3_000_000]);
        written.is_ok() && codes().is_ok_and(|codes| codes.is_empty())
    })?;
    assert!(cluster.cli(&["status"])?.status.success());
    // What cannot be written at all is told of as soon as somebody tries.
    let wide = ["policy", "set", "/", "extent", "20M=6+2"];
    cluster.cli(&wide)?.ok()?;
    until("it is said what there is no room for", BOUND, || {
        // The refusal comes with the close, or with the next request.
        let _ = fs::write(cluster.mount().join("wide"), vec![7; 100_000]);
        codes().is_ok_and(|codes| codes == ["FAILURE_DOMAINS_BELOW_SCHEME"])
    })?;
    Ok(())
}

#[test]
fn ctrl_c_stops_everything_and_a_second_start_finds_everything() -> Result<()> {
    let cluster = Cluster::start(SMALL)?;
    fs::write(cluster.mount().join("file"), "content")?;
    cluster.eggsrun(&["stop"])?.ok()?;
    let mut foreground = cluster
        .start_command()
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let pid = Pid::from_child(&foreground);
    until("the cluster serves again", BOUND, || {
        fs::read_to_string(cluster.mount().join("file")).is_ok_and(|text| text == "content")
    })?;
    kill_process(pid, Signal::INT)?;
    let mut status = None;
    until("eggsrun ends", BOUND, || {
        status = foreground.try_wait().ok().flatten();
        status.is_some()
    })?;
    assert_eq!(status.and_then(|status| status.code()), Some(0));
    assert_eq!(cluster.process_names()?, Vec::<String>::new());
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mount = cluster.mount().display().to_string();
    assert!(!mounts.contains(&mount), "it is still mounted");
    cluster.start_again()?;
    assert_eq!(fs::read_to_string(cluster.mount().join("file"))?, "content");
    Ok(())
}

#[test]
fn what_cannot_start_says_why_in_a_sentence() -> Result<()> {
    let cluster = Cluster::start(SMALL)?;
    let dir = cluster.dir().display().to_string();
    let start = |args: &[&str]| cluster.eggsrun(&[&["--daemon"], args].concat());
    let again = start(&[])?;
    assert_eq!(again.status.code(), Some(1));
    assert!(
        again.stderr.contains("is running already"),
        "{}",
        again.stderr
    );
    cluster.eggsrun(&["stop"])?.ok()?;
    assert!(
        cluster
            .eggsrun(&["stop"])?
            .stderr
            .contains("no cluster is running")
    );

    let taken = TcpListener::bind("127.0.0.1:0")?;
    let option = format!("--http-port={}", taken.local_addr()?.port());
    let refused = start(&[&option])?;
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        refused.stderr.contains("is in use") && refused.stderr.contains("--http-port"),
        "{}",
        refused.stderr
    );

    let refused = start(&["--failure-domains=9"])?;
    assert!(
        refused.stderr.contains("another shape"),
        "{}",
        refused.stderr
    );

    fs::write(format!("{dir}/mnt/in the way"), "")?;
    let refused = start(&[])?;
    assert!(refused.stderr.contains("not empty"), "{}", refused.stderr);
    fs::remove_file(format!("{dir}/mnt/in the way"))?;

    let label = format!("{dir}/eggsrun.json");
    let text = fs::read_to_string(&label)?;
    fs::write(&label, text.replace("\"format\": 1", "\"format\": 99"))?;
    let refused = start(&[])?;
    assert!(
        refused.stderr.contains("another version"),
        "{}",
        refused.stderr
    );
    fs::write(&label, text)?;
    cluster.start_again()
}
