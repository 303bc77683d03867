//! A disk dies under its process, which serves others, too: content is read and written on, the disk says so, it is left out when the process
//! starts again, and served again once it is well. The errors are the kernel's, from a file system that was shut down. Needs root; skipped elsewhere,
//! saying so.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use eggs_harness::{Cluster, Options, check_files, until, write_files};
use eggs_volume::Volume;
use serde_json::Value;

const PROCESS: &str = "blocks3";
const DOMAIN: &str = "fd3";
const DISK: &str = "hdd0";
const BOUND: Duration = Duration::from_secs(60);
const VOLUME_BYTES: u64 = 512 << 20;

/// State of each disk of the failure domain, by its class.
fn states(cluster: &Cluster) -> Result<Vec<(String, String)>> {
    let listed = cluster.cli(&["--json", "disk", "list"])?.ok()?;
    let listed: Value = serde_json::from_str(&listed).context("JSON")?;
    let text = |disk: &Value, key: &str| disk[key].as_str().map(String::from).unwrap_or_default();
    let disks = listed.as_array().context("a list of disks")?;
    let ours = disks.iter().filter(|disk| disk["failure_domain"] == DOMAIN);
    let mut states: Vec<_> = ours
        .map(|disk| (text(disk, "class"), text(disk, "state")))
        .collect();
    states.sort();
    Ok(states)
}

fn until_states(cluster: &Cluster, flash: &str, hdd: &str) -> Result<()> {
    let what = format!("flash {flash}, hdd {hdd}");
    until(&what, BOUND, || {
        states(cluster).is_ok_and(|states| {
            let expected = [("FLASH", flash), ("HDD", hdd)];
            states
                .iter()
                .map(|(class, state)| (&class[..], &state[..]))
                .eq(expected)
        })
    })
    .with_context(|| {
        let log = cluster
            .dir()
            .join("log")
            .join(PROCESS)
            .with_extension("log");
        let log = fs::read_to_string(log).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(12).collect();
        format!(
            "{:?}, {PROCESS} says, last line first: {last:#?}",
            states(cluster)
        )
    })?;
    Ok(())
}

/// Puts a disk on a file system of its own.
fn give_a_volume(cluster: &Cluster, disk: &Path) -> Result<Option<Volume>> {
    let before = disk.with_extension("before");
    fs::rename(disk, &before)?;
    let image = cluster.scratch()?.join("image");
    let Some(volume) = Volume::new(image, disk.to_owned(), VOLUME_BYTES)? else {
        return Ok(None);
    };
    let copied = Command::new("cp")
        .arg("-a")
        .arg(before.join("."))
        .arg(disk)
        .status()?;
    ensure!(copied.success(), "copy a disk");
    rustix::fs::syncfs(fs::File::open(disk)?)?; // what eggsblocks writes it syncs itself
    fs::remove_dir_all(&before)?;
    Ok(Some(volume))
}

#[test]
fn a_disk_that_dies_costs_nothing_but_itself() -> Result<()> {
    let cluster = Cluster::start(Options::default())?;
    let restart = || -> Result<()> {
        cluster.eggsrun(&["kill", PROCESS])?.ok()?;
        cluster.eggsrun(&["start", PROCESS])?.ok()?;
        Ok(())
    };
    cluster.eggsrun(&["kill", PROCESS])?.ok()?;
    let disk = cluster.data(PROCESS).join(DISK);
    let Some(volume) = give_a_volume(&cluster, &disk)? else {
        return Ok(());
    };
    cluster.eggsrun(&["start", PROCESS])?.ok()?;
    cluster.wait_healthy()?;
    write_files(&cluster, "before")?;
    let stored = cluster.block_files()?;
    ensure!(
        stored.iter().any(|file| file.starts_with(&disk)),
        "nothing is stored on {}",
        disk.display()
    );

    volume.cut_power()?;
    check_files(&cluster, "before")?;
    for round in 0..20 {
        write_files(&cluster, &format!("beside{round}"))?;
        if states(&cluster)?.contains(&("HDD".into(), "no_write".into())) {
            break;
        }
    }
    until_states(&cluster, "active", "no_write")?;
    check_files(&cluster, "beside0")?;

    restart()?;
    until_states(&cluster, "active", "stale")?;
    write_files(&cluster, "without")?;
    for files in ["before", "beside0", "without"] {
        check_files(&cluster, files)?;
    }

    ensure!(volume.unmount(), "nobody uses it any more");
    // Where it was mounted is an empty place now, of which nobody makes a disk.
    restart()?;
    until_states(&cluster, "active", "stale")?;
    ensure!(
        fs::read_dir(&disk)?.next().is_none(),
        "something was made in the place of a disk"
    );

    ensure!(volume.mount(), "mount it again");
    restart()?;
    until_states(&cluster, "active", "active")?;
    for files in ["before", "beside0", "without"] {
        check_files(&cluster, files)?;
    }
    cluster.eggsrun(&["kill", PROCESS])?.ok()?;
    Ok(())
}
