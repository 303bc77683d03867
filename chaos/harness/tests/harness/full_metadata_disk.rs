//! A full disk under metadata: what would make it grow is refused with ENOSPC at once, reading, deleting and collecting go
//! on, and it heals when there is space again. One full disk of three is nobody's business but the operator's.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use eggs_harness::{Ballast, Cluster, Content, Options, close, until};
use serde_json::Value;

const BOUND: Duration = Duration::from_secs(60);
/// ENOSPC is no time-out.
const AT_ONCE: Duration = Duration::from_secs(3);
const ENOSPC: Option<i32> = Some(28);
/// Left on a full disk, what its process has set aside included; a registry sets less aside.
const LEFT_BYTES: u64 = 44 << 20;
const LEFT_REGISTRY_BYTES: u64 = 24 << 20;
const DISKS: [(&str, u32); 9] = [
    ("shard0", 256),
    ("shard1", 256),
    ("shard2", 256),
    ("cdc0", 256),
    ("cdc1", 256),
    ("cdc2", 256),
    ("shuckle0", 256),
    ("shuckle1", 256),
    ("shuckle2", 256),
];

fn content(seed: u64) -> Content {
    Content {
        seed,
        bytes: if seed.is_multiple_of(2) { 300 } else { 30_000 },
    }
}

/// What was acknowledged to an application that writes, reads and deletes all the time.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    made: AtomicU64,
    refused: AtomicU64,
}

impl Load {
    /// Goes on until told to stop; what is wrong with an answer other than that there is no space ends it. Returns the
    /// numbers of the files that must be there.
    fn run(&self, dir: &Path) -> Result<Vec<u64>> {
        fs::create_dir(dir).context("make a directory")?;
        let mut kept = Vec::new();
        for seed in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            match write(&dir.join(seed.to_string()), &content(seed).make()) {
                Ok(()) => {
                    self.made.fetch_add(1, Ordering::Relaxed);
                    kept.push(seed);
                }
                Err(error) if error.raw_os_error() == ENOSPC => {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(error) => return Err(error).context("write under load"),
            }
            if seed.is_multiple_of(5)
                && let Some(old) = kept.first().copied()
            {
                read_back(dir, old)?;
                fs::remove_file(dir.join(old.to_string())).context("delete under load")?;
                kept.remove(0);
            }
        }
        Ok(kept)
    }
}

fn read_back(dir: &Path, seed: u64) -> Result<()> {
    let bytes = fs::read(dir.join(seed.to_string())).context("read back")?;
    content(seed).check(&bytes).map_err(anyhow::Error::msg)
}

fn refused_at_once(what: &str, tried: impl FnOnce() -> io::Result<()>) -> Result<()> {
    let began = Instant::now();
    let errno = tried().err().and_then(|error| error.raw_os_error());
    ensure!(errno == ENOSPC, "{what}: {errno:?}");
    ensure!(
        began.elapsed() < AT_ONCE,
        "{what} took {:?}",
        began.elapsed()
    );
    Ok(())
}

/// Writes a file and hears what closing it has to say: that is where a small one is made.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    close(file)
}

/// Processes tell each other once a second how they are, and the registry at the same time: leaders of different groups begin to
/// refuse at different moments.
fn until_refused(cluster: &Cluster, name: &str) -> Result<()> {
    let mut number = 0;
    until("directories are refused", BOUND, || {
        number += 1;
        fs::create_dir(cluster.mount().join(format!("{name}-{number}"))).is_err()
    })
    .map(drop)
}

/// The same for files of some directories, each of which another group may have.
fn until_files_are_refused(dirs: &[&Path]) -> Result<()> {
    let mut number = 0;
    until("files are refused", BOUND, || {
        number += 1;
        let file = format!("until-refused-{number}");
        dirs.iter()
            .all(|dir| write(&dir.join(&file), b"x").is_err())
    })
    .map(drop)
}

/// How bad the finding about full disks is, if there is one.
fn finding(cluster: &Cluster) -> Option<String> {
    let status = cluster.cli(&["status", "--json"]).ok()?;
    let status: Value = serde_json::from_str(&status.stdout).ok()?;
    let findings = status["health"]["findings"].as_array()?;
    let found = findings
        .iter()
        .find(|f| f["code"] == "METADATA_DISK_FULL")?;
    Some(found["severity"].as_str()?.to_lowercase())
}

fn wait_for_finding(cluster: &Cluster, severity: Option<&str>) -> Result<()> {
    until(&format!("health says {severity:?}"), BOUND, || {
        finding(cluster).as_deref() == severity
    })?;
    Ok(())
}

fn fill(cluster: &Cluster, name: &str) -> Result<Ballast> {
    let left = if name.starts_with("shuckle") {
        LEFT_REGISTRY_BYTES
    } else {
        LEFT_BYTES
    };
    Ballast::leave(&cluster.data(name), left)
}

/// Makes as many files in directories of their own as make it likely to have met most shards; their leaders hear one after the other
/// that there is space.
fn works_everywhere(cluster: &Cluster, name: &str) -> Result<()> {
    for n in 0..20 {
        let dir = cluster.mount().join(format!("{name}-{n}"));
        let file = dir.join("file");
        until("a directory can be made", BOUND, || {
            fs::create_dir(&dir).is_ok()
        })?;
        until("a file can be made", BOUND, || write(&file, b"x").is_ok())?;
    }
    Ok(())
}

fn heals(cluster: &Cluster, name: &str) -> Result<()> {
    wait_for_finding(cluster, None)?;
    let probe = cluster.mount().join(format!("heals-{name}"));
    let took = until("directories can be made again", BOUND, || {
        fs::create_dir(&probe).is_ok()
    })?;
    println!("{name}: healed {took:?} after health said so");
    works_everywhere(cluster, name)
}

#[test]
fn growth_is_refused_and_all_else_goes_on() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: mounting a small disk needs root");
        return Ok(());
    }
    let cluster = Cluster::start(Options {
        small_disks: &DISKS,
        ..Options::default()
    })?;
    cluster
        .cli(&["policy", "set", "/", "snapshot", "--keep", "1s"])?
        .ok()?;
    let (load, dir) = (Load::default(), cluster.mount().join("load"));
    let pids = || DISKS.map(|(name, _)| cluster.pid(name).ok());
    let before = pids();
    let kept = std::thread::scope(|scope| -> Result<Vec<u64>> {
        let loading = scope.spawn(|| load.run(&dir));
        let began = Instant::now();
        let phase = |name: &str| println!("{name} after {:?}", began.elapsed());
        let outcome = one_full_disk_stops_nobody(&cluster, &load)
            .inspect(|()| phase("one full disk"))
            .and_then(|()| full_shards(&cluster, &load))
            .inspect(|()| phase("full shards"))
            .and_then(|()| full_coordinators(&cluster))
            .inspect(|()| phase("full coordinators"))
            .and_then(|()| full_registries(&cluster))
            .inspect(|()| phase("full registries"));
        load.stop.store(true, Ordering::Relaxed);
        let kept = loading.join().expect("the load does not panic")?;
        outcome.map(|()| kept)
    })?;
    assert_eq!(before, pids(), "a process did not survive");
    for seed in &kept {
        read_back(&dir, *seed)?;
    }
    let listed = fs::read_dir(&dir).context("list")?.count();
    assert_eq!(listed, kept.len(), "what was refused or deleted is there");
    until("the collector has taken what was deleted", BOUND, || {
        cluster.block_files().is_ok_and(|files| {
            let extents = kept.iter().filter(|seed| !seed.is_multiple_of(2)).count();
            files.len() <= extents * 14
        })
    })?;
    cluster.wait_healthy()?;
    let report: Value = serde_json::from_str(&cluster.cli(&["fsck", "--json"])?.ok()?)?;
    assert_eq!(report["clean"], true, "{report:#}");
    Ok(())
}

fn one_full_disk_stops_nobody(cluster: &Cluster, load: &Load) -> Result<()> {
    until("something was written", BOUND, || {
        load.made.load(Ordering::Relaxed) > 20
    })?;
    let _ballast = fill(cluster, "shard0")?;
    wait_for_finding(cluster, Some("degraded"))?;
    works_everywhere(cluster, "one")?;
    assert_eq!(load.refused.load(Ordering::Relaxed), 0);
    Ok(())
}

fn full_shards(cluster: &Cluster, load: &Load) -> Result<()> {
    wait_for_finding(cluster, None)?;
    let mount = cluster.mount();
    let gone = mount.join("gone");
    fs::create_dir(&gone).context("make a directory")?;
    for seed in (1..20).step_by(2) {
        write(&gone.join(seed.to_string()), &content(seed).make()).context("write")?;
    }
    let ballast = [fill(cluster, "shard0")?, fill(cluster, "shard1")?];
    wait_for_finding(cluster, Some("down"))?;
    until("the load is refused", BOUND, || {
        load.refused.load(Ordering::Relaxed) > 0
    })?;
    until_refused(cluster, "until-shards")?;
    until_files_are_refused(&[&mount, &gone])?;
    refused_at_once("create", || write(&mount.join("new"), b"x"))?;
    refused_at_once("write", || write(&mount.join("large"), &content(1).make()))?;
    refused_at_once("mkdir", || fs::create_dir(mount.join("new-dir")))?;
    refused_at_once("rename", || fs::rename(gone.join("1"), gone.join("2")))?;
    refused_at_once("move", || fs::rename(gone.join("1"), mount.join("moved")))?;
    refused_at_once("symlink", || {
        std::os::unix::fs::symlink("x", mount.join("link"))
    })?;
    for seed in (1..20).step_by(2) {
        read_back(&gone, seed)?;
    }
    let blocks = cluster.block_files()?.len();
    fs::remove_dir_all(&gone).context("delete a tree while all is full")?;
    until("its blocks are collected while all is full", BOUND, || {
        cluster
            .block_files()
            .is_ok_and(|files| files.len() + 10 * 8 <= blocks)
    })?;
    drop(ballast);
    heals(cluster, "shards")
}

fn full_coordinators(cluster: &Cluster) -> Result<()> {
    let mount = cluster.mount();
    fs::create_dir(mount.join("empty")).context("make a directory")?;
    let ballast = [fill(cluster, "cdc1")?, fill(cluster, "cdc2")?];
    wait_for_finding(cluster, Some("down"))?;
    until_refused(cluster, "until-cdc")?;
    refused_at_once("mkdir", || fs::create_dir(mount.join("new-dir")))?;
    write(&mount.join("file"), b"x").context("files need no coordinator")?;
    fs::remove_dir(mount.join("empty")).context("remove a directory")?;
    drop(ballast);
    heals(cluster, "cdc")
}

fn full_registries(cluster: &Cluster) -> Result<()> {
    let _ballast = [fill(cluster, "shuckle0")?, fill(cluster, "shuckle2")?];
    wait_for_finding(cluster, Some("down"))?;
    works_everywhere(cluster, "registry")
}
