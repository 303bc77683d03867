//! A metadata or registry process that lost its directory, or finds its log damaged, gives up its name and is rebuilt from its peers
//! under a new one, under load and without anybody typing anything; afterwards the cluster bears the next failure.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use eggs_harness::{Cluster, Mover, Options, check_moved, meta_status, until, votes};

const BOUND: Duration = Duration::from_secs(120);
/// What happens to the directory of a dead process.
fn destroy(dir: &Path) -> Result<()> {
    fs::remove_dir_all(dir).context("remove a directory")
}

/// The store was on a disk of its own, and another one is there.
fn exchange(dir: &Path) -> Result<()> {
    lose_store(dir)?;
    fs::create_dir(dir.join("raft")).context("make a directory")
}

/// The store was on a disk of its own, and nothing is there.
fn lose_store(dir: &Path) -> Result<()> {
    fs::remove_dir_all(dir.join("raft")).context("remove a store")
}

/// Bits of the log turn, before acknowledged records.
fn rot(dir: &Path) -> Result<()> {
    const AT: u64 = 4096;
    let entries = fs::read_dir(dir.join("raft/log")).context("list a log")?;
    let logs = entries.flatten().map(|entry| entry.path());
    let logs = logs.filter(|path| path.extension().is_some_and(|e| e == "log"));
    let path = logs.max().context("no write-ahead log")?; // older ones are written anew
    let file = fs::OpenOptions::new().read(true).write(true).open(&path);
    let file = file.context("open a log")?;
    let mut bytes = [0; 64];
    file.read_exact_at(&mut bytes, AT).context("read a log")?;
    bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
    file.write_all_at(&bytes, AT).context("write a log")
}

/// One process, and what it loses.
struct Loss {
    name: &'static str,
    heir: &'static str,
    groups: usize,
    happens: fn(&Path) -> Result<()>,
    /// Who is killed afterwards, to see that redundancy is back.
    next: &'static str,
}

const LOSSES: [Loss; 6] = [
    Loss {
        name: "shard1",
        heir: "shard1000001",
        groups: 256,
        happens: exchange,
        next: "shard0",
    },
    Loss {
        name: "shard2",
        heir: "shard1000002",
        groups: 256,
        happens: rot,
        next: "shard1",
    },
    Loss {
        name: "cdc0",
        heir: "cdc1000000",
        groups: 1,
        happens: destroy,
        next: "cdc2",
    },
    Loss {
        name: "shuckle0",
        heir: "shuckle1000000",
        groups: 1,
        happens: destroy,
        next: "shuckle2",
    },
    Loss {
        name: "shuckle1",
        heir: "shuckle1000001",
        groups: 1,
        happens: rot,
        next: "shuckle0",
    },
    Loss {
        name: "shuckle2",
        heir: "shuckle1000002",
        groups: 1,
        happens: lose_store,
        next: "shuckle1",
    },
];

fn lose(cluster: &Cluster, mover: &Mover, loss: &Loss) -> Result<()> {
    mover.goes_on()?;
    cluster.eggsrun(&["kill", loss.name])?.ok()?;
    (loss.happens)(&cluster.data(loss.name))?;
    mover.goes_on()?;
    let begin = Instant::now();
    cluster.eggsrun(&["start", loss.name])?.ok()?;
    until("it is rebuilt under a new name", BOUND, || {
        let status = meta_status(cluster).unwrap_or_default();
        votes(&status, loss.heir) == loss.groups && votes(&status, loss.name) == 0
    })?;
    println!(
        "{} was rebuilt as {} in {:?}",
        loss.name,
        loss.heir,
        begin.elapsed()
    );
    let log = cluster.dir().join("log").join(format!("{}.log", loss.name));
    let said = fs::read_to_string(&log).context("read a log")?;
    ensure!(
        said.contains("gives up its name"),
        "it does not say so: {said}"
    );
    mover.goes_on()?;
    cluster.wait_healthy()?;
    let left = cluster.data(loss.name).join("raft.lost");
    until("what was damaged is removed", BOUND, || !left.exists())?;
    // Redundancy is really back: the next one may fail.
    cluster.eggsrun(&["kill", loss.next])?.ok()?;
    mover.goes_on()?;
    cluster.eggsrun(&["start", loss.next])?.ok()?;
    mover.goes_on()?;
    cluster.wait_healthy()
}

#[test]
fn processes_that_lost_their_replicas_are_rebuilt_by_themselves() -> Result<()> {
    let cluster = Cluster::start(Options::default())?;
    let count = Mover::beside(&cluster, |mover| {
        LOSSES
            .iter()
            .try_for_each(|loss| lose(&cluster, mover, loss))
    })?;
    check_moved(&cluster, count)?;
    // After a restart of everything they are who they have become.
    cluster.eggsrun(&["stop"])?.ok()?;
    cluster.start_again()?;
    check_moved(&cluster, count)?;
    // Nobody is taken away by a name under which it acts no more.
    let refused = cluster.eggsrun(&["remove", "shard1"])?;
    ensure!(!refused.status.success(), "{refused:?}");
    cluster.eggsrun(&["replace", "shard1"])?.ok()?;
    let status = meta_status(&cluster)?;
    ensure!(votes(&status, "shard1000001") == 0 && votes(&status, "shard3") == 256);
    cluster.eggsrun(&["replace", "shuckle1"])?.ok()?;
    let status = meta_status(&cluster)?;
    ensure!(votes(&status, "shuckle1000001") == 0 && votes(&status, "shuckle3") == 1);
    check_moved(&cluster, count)
}

/// A directory that is empty, or a store that is gone, for another reason than a lost disk is not filled, unless that was asked for.
#[test]
fn a_process_that_may_be_looking_in_the_wrong_place_says_so_and_ends() -> Result<()> {
    let cluster = Cluster::start(Options {
        args: &["--no-mount"],
        ..Options::default()
    })?;
    cluster.eggsrun(&["kill", "cdc1"])?.ok()?;
    let empty = cluster.scratch()?.join("not-mounted");
    fs::create_dir(&empty).context("make a directory")?;
    let said = refuses(&cluster, &empty)?;
    ensure!(said.contains("another directory has acted"), "{said}");
    let own = cluster.data("cdc1");
    let (store, elsewhere) = (own.join("raft"), own.join("elsewhere"));
    fs::rename(&store, &elsewhere).context("move a store")?;
    let said = refuses(&cluster, &own)?;
    ensure!(said.contains("the store of cdc1 is gone"), "{said}");
    fs::rename(&elsewhere, &store).context("move a store back")?;
    // The one whose disk it is comes back as who it was.
    cluster.eggsrun(&["start", "cdc1"])?.ok()?;
    cluster.wait_healthy()?;
    let status = meta_status(&cluster)?;
    ensure!(votes(&status, "cdc1") == 1, "{status:#}");
    Ok(())
}

/// Starts a coordinator by hand, and returns what it says when it ends.
fn refuses(cluster: &Cluster, dir: &Path) -> Result<String> {
    let registry = cluster.registry();
    let secret = cluster.dir().join("secret/cluster");
    // One that does not end has forgotten what it promised.
    let mut command = Command::new("timeout");
    command
        .arg("60")
        .arg(cluster.program("eggscdc").get_program())
        .args(["--id=1", "--listen=127.0.0.1:0", "--peers=1=127.0.0.1:9"])
        .arg(format!("--dir={}", dir.display()))
        .arg(format!("--registry={registry}"))
        .arg(format!("--secret-file={}", secret.display()));
    let output = command.output().context("run eggscdc")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success(), "it runs");
    ensure!(said.contains("eggscli meta replace cdc1"), "{said}");
    ensure!(!dir.join("raft").exists(), "a store was made");
    Ok(said)
}
