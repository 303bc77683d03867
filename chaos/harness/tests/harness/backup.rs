//! The metadata of a whole cluster is backed up while it is used, lost with all its disks, and restored; blocks stay where
//! they are. Every file of the backup is there with its content, and nothing of a change across directories by halves.

mod tokens;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use eggs_harness::{Cluster, Content, Finished, Options, meta, until};
use serde_json::Value;

const MOVERS: u64 = 3;

fn json(finished: Finished) -> Result<Value> {
    serde_json::from_str(&finished.ok()?).context("JSON")
}

/// Files of all sizes: in the metadata, in one extent, in several.
fn files() -> impl Iterator<Item = (String, Content)> {
    let bytes = [0, 100, 4_000, 40_000, 700_000, 5_000_000];
    let content = move |seed: u64| Content {
        seed,
        bytes: bytes[seed as usize % bytes.len()],
    };
    let few = (0..60).map(move |seed| (format!("kept/d{}/f{seed}", seed % 7), content(seed)));
    // Enough to be seen in the size of the backup, all of it in the metadata.
    let many = (1000..1900).map(|seed| {
        let content = Content { seed, bytes: 4_000 };
        (format!("kept/many{}/f{seed}", seed % 3), content)
    });
    few.chain(many)
}

/// Moves one directory and one file around, and makes and removes others, until told to stop.
fn churn(cluster: &Cluster, mover: u64, stop: &AtomicBool, rounds: &AtomicU64) -> Result<()> {
    let home = |place: u64| cluster.mount().join(format!("place{}", place % 5));
    let (dir, file) = (format!("dir-{mover}"), format!("file-{mover}"));
    let mut at = mover;
    fs::create_dir(home(at).join(&dir)).context("make a directory")?;
    fs::write(
        home(at).join(&file),
        Content {
            seed: mover,
            bytes: 9_000,
        }
        .make(),
    )
    .context("write")?;
    while !stop.load(Ordering::Relaxed) {
        let (from, to) = (home(at), home(at + 1));
        fs::rename(from.join(&dir), to.join(&dir)).context("move a directory")?;
        fs::rename(from.join(&file), to.join(&file)).context("move a file")?;
        let passing = to.join(format!("passing-{mover}"));
        fs::create_dir(&passing).context("make a directory")?;
        fs::write(passing.join("f"), b"passing").context("write")?;
        if at.is_multiple_of(4) {
            fs::remove_dir_all(&passing).context("remove")?;
        } else {
            fs::rename(&passing, to.join(format!("stays-{mover}-{at}"))).context("rename")?;
        }
        at += 1;
        rounds.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Every token is in exactly one place.
fn tokens_are_whole(cluster: &Cluster) -> Result<()> {
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for place in 0..5 {
        let dir = cluster.mount().join(format!("place{place}"));
        for entry in fs::read_dir(&dir).context("list")? {
            let name = entry.context("list")?.file_name();
            *seen.entry(name.to_string_lossy().into_owned()).or_default() += 1;
        }
    }
    for mover in 0..MOVERS {
        for token in [format!("dir-{mover}"), format!("file-{mover}")] {
            once(&seen, &token)?;
        }
    }
    tokens::names().try_for_each(|token| once(&seen, &token))
}

fn once(seen: &BTreeMap<String, u64>, token: &str) -> Result<()> {
    let times = seen.get(token).copied().unwrap_or(0);
    ensure!(times == 1, "{token}: {times} times");
    Ok(())
}

fn kept_files_are_whole(cluster: &Cluster) -> Result<()> {
    for (path, content) in files() {
        let found =
            fs::read(cluster.mount().join(&path)).with_context(|| format!("read {path}"))?;
        let whole = content.check(&found);
        ensure!(whole.is_ok(), "{path}: {whole:?}");
    }
    Ok(())
}

fn backup(cluster: &Cluster, dir: &str) -> Result<Value> {
    let report = json(meta(cluster, &["backup", dir, "--json"])?)?;
    println!("backup: {report}");
    Ok(report)
}

fn lose_all_metadata(cluster: &Cluster) -> Result<()> {
    cluster.eggsrun(&["stop"])?.ok()?;
    for entry in fs::read_dir(cluster.dir().join("data")).context("list the data")? {
        let entry = entry.context("list the data")?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with("blocks") && !name.starts_with("spool") {
            println!("{name} is lost");
            fs::remove_dir_all(entry.path()).context("lose a directory")?;
        }
    }
    Ok(())
}

fn pieces(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for part in fs::read_dir(dir.join("pieces")).context("list the pieces")? {
        for piece in fs::read_dir(part.context("list the pieces")?.path()).context("list")? {
            found.push(piece.context("list")?.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Each kind of damage is named, and nothing is restored.
fn damage_is_refused(cluster: &Cluster, dir: &Path, image: &str) -> Result<()> {
    let shown = dir.to_str().context("a path that is text")?;
    let all = pieces(dir)?;
    let named = fs::read_to_string(dir.join(image)).context("read the image")?;
    let name = |piece: &PathBuf| piece.file_name().map(|n| n.to_string_lossy().into_owned());
    let piece = all
        .iter()
        .find(|p| name(p).is_some_and(|n| named.contains(&n)));
    let piece = piece.context("an image has pieces")?;
    let good = fs::read(piece).context("read a piece")?;
    let mut bad = good.clone();
    *bad.last_mut().context("a piece has bytes")? ^= 1;
    let refused = |what: &str| -> Result<()> {
        let verified = meta(cluster, &["verify", shown, "--image", "2", "--json"])?;
        ensure!(verified.status.code() == Some(4), "{what}: {verified:?}");
        let restored = meta(cluster, &["restore", shown, "--image", "2"])?;
        ensure!(restored.status.code() == Some(1), "{what}: {restored:?}");
        let said = format!("{restored:?}");
        let name = name(piece).context("a piece has a name")?;
        ensure!(said.contains(&name), "{what}: {said} does not name {name}");
        Ok(())
    };
    fs::write(piece, &bad).context("damage a piece")?;
    refused("a piece that was changed")?;
    fs::write(piece, &good[..good.len() - 1]).context("damage a piece")?;
    refused("a piece that was cut")?;
    fs::remove_file(piece).context("lose a piece")?;
    refused("a piece that was lost")?;
    fs::write(piece, &good).context("mend the piece")?;
    let path = dir.join(image);
    fs::write(&path, named.replacen("\"rows\": 1", "\"rows\": 2", 1)).context("damage")?;
    let restored = meta(cluster, &["restore", shown, "--image", "2"])?;
    ensure!(restored.status.code() == Some(1), "{restored:?}");
    fs::write(&path, named).context("mend the image")
}

fn fsck_is_clean(cluster: &Cluster) -> Result<()> {
    let finished = cluster.cli(&["fsck", "--json"])?;
    ensure!(finished.status.success(), "{finished:?}");
    let report: Value = serde_json::from_str(&finished.ok()?).context("JSON")?;
    ensure!(report["clean"] == true, "{report:#}");
    Ok(())
}

/// Two backups while everything moves; the second stores less.
fn back_up_under_load(cluster: &Cluster, shown: &str) -> Result<()> {
    let (stop, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    let moves = AtomicU64::new(0);
    let places: Vec<String> = (0..5).map(|place| format!("place{place}")).collect();
    std::thread::scope(|scope| -> Result<()> {
        let movers: Vec<_> = (0..MOVERS)
            .map(|mover| {
                let (stop, rounds) = (&stop, &rounds);
                scope.spawn(move || churn(cluster, mover, stop, rounds))
            })
            .collect();
        let tokens = scope.spawn(|| tokens::move_around(cluster, &places, &stop, &moves));
        let work = || -> Result<()> {
            until("everything moves", Duration::from_secs(60), || {
                rounds.load(Ordering::Relaxed) > 10 && moves.load(Ordering::Relaxed) > 500
            })?;
            let first = backup(cluster, shown)?;
            ensure!(first["groups"] == 258, "{first}");
            let before = rounds.load(Ordering::Relaxed);
            until("more moves", Duration::from_secs(60), || {
                rounds.load(Ordering::Relaxed) > before + 5
            })?;
            let second = backup(cluster, shown)?;
            let stored = |report: &Value| report["stored_bytes"].as_u64().unwrap_or(0);
            ensure!(
                stored(&second) * 2 < stored(&first),
                "the second backup stores nearly as much: {first} {second}"
            );
            let same = json(meta(cluster, &["verify", "--json"])?)?;
            ensure!(same["same"] == same["groups"], "{same}");
            Ok(())
        };
        let worked = work();
        stop.store(true, Ordering::Relaxed);
        for mover in movers {
            mover.join().expect("a mover does not panic")?;
        }
        tokens.join().expect("a mover does not panic")?;
        println!("{} moves of tokens", moves.load(Ordering::Relaxed));
        worked
    })
}

/// What is restored later is of a backup from which something was removed.
fn the_first_image_goes(cluster: &Cluster, dir: &Path) -> Result<()> {
    let shown = dir.to_str().context("a path that is text")?;
    let images = fs::read_dir(dir.join("images")).context("list the images")?;
    let keep = images.count().to_string();
    let report = json(meta(
        cluster,
        &["backup", shown, "--keep", &keep, "--json"],
    )?)?;
    println!("backup --keep {keep}: {report}");
    let removed = &report["removed"];
    ensure!(removed["images"] == 1, "{report}");
    ensure!(removed["pieces"].as_u64() > Some(0), "{report}");
    let gone = meta(cluster, &["verify", shown, "--image", "1"])?;
    ensure!(gone.status.code() == Some(1), "{gone:?}");
    Ok(())
}

#[test]
fn all_metadata_is_lost_and_comes_back() -> Result<()> {
    let cluster = Cluster::start(Options::default())?;
    let backups = cluster.scratch()?.join("backup");
    let shown = backups.to_str().context("a path that is text")?;
    for place in 0..5 {
        fs::create_dir(cluster.mount().join(format!("place{place}")))
            .context("make a directory")?;
    }
    for (path, content) in files() {
        let path = cluster.mount().join(path);
        fs::create_dir_all(path.parent().context("a parent")?).context("make directories")?;
        fs::write(path, content.make()).context("write")?;
    }
    back_up_under_load(&cluster, shown)?;
    // Once nothing happens, nothing changes between a backup and its verification but now and then log time.
    until(
        "a backup is what the cluster has",
        Duration::from_secs(60),
        || {
            let verified = backup(&cluster, shown)
                .and_then(|_| json(meta(&cluster, &["verify", shown, "--json"])?));
            let verified = verified.unwrap_or_default();
            verified["sound"] == true && verified["unchanged"].as_u64() > Some(100)
        },
    )?;
    the_first_image_goes(&cluster, &backups)?;
    // Not into a cluster that is used.
    let refused = meta(&cluster, &["restore", shown])?;
    ensure!(refused.status.code() == Some(1), "{refused:?}");
    ensure!(format!("{refused:?}").contains("not empty"), "{refused:?}");
    kept_files_are_whole(&cluster)?;
    // What comes after the backup is lost, and must not be taken for anything else.
    fs::write(
        cluster.mount().join("later"),
        Content {
            seed: 77,
            bytes: 300_000,
        }
        .make(),
    )
    .context("write")?;

    lose_all_metadata(&cluster)?;
    let refused = cluster.start_again();
    let said = format!("{refused:?}");
    ensure!(said.contains("there has been a registry"), "{said}");
    cluster.start_with(&["--found-anew"])?;
    cluster.wait_healthy()?;
    ensure!(
        fs::read_dir(cluster.mount())
            .context("list")?
            .next()
            .is_none(),
        "it is empty"
    );
    damage_is_refused(&cluster, &backups, "images/000002")?;
    let restored = json(meta(
        &cluster,
        &["restore", shown, "--image", "2", "--json"],
    )?)?;
    println!("restore: {restored}");
    cluster.wait_healthy()?;
    kept_files_are_whole(&cluster)?;
    tokens_are_whole(&cluster)?;
    ensure!(
        !cluster.mount().join("later").exists(),
        "it came after the backup"
    );
    fsck_is_clean(&cluster)?;

    // It goes on: new files get new names, old ones are moved and removed.
    for seed in 200..230 {
        let content = Content {
            seed,
            bytes: 200_000,
        };
        let path = cluster.mount().join(format!("new-{seed}"));
        fs::write(&path, content.make()).context("write")?;
        let found = fs::read(&path).context("read")?;
        ensure!(content.check(&found).is_ok(), "{seed}");
    }
    fs::create_dir(cluster.mount().join("kept/new")).context("make a directory")?;
    fs::rename(
        cluster.mount().join("kept"),
        cluster.mount().join("place0/kept"),
    )
    .context("move a directory")?;
    fs::rename(
        cluster.mount().join("place0/kept"),
        cluster.mount().join("kept"),
    )
    .context("move it back")?;
    kept_files_are_whole(&cluster)?;
    fsck_is_clean(&cluster)?;
    let again = meta(&cluster, &["restore", shown, "--image", "2"])?;
    ensure!(again.status.success(), "a repeat finds it done: {again:?}");
    kept_files_are_whole(&cluster)?;
    backup(&cluster, shown)?;
    Ok(())
}
