//! A metadata or registry process loses its directory, or its log is damaged; nobody types anything.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use eggs_proto::NodeId;
use tokio::time::Instant;

use super::field::Field;
use crate::{Cluster, Random};

/// How long a process may take to be rebuilt: the registry has to miss it first, and other faults may hold things up.
const BOUND: Duration = Duration::from_secs(120);

/// What happens to a directory.
#[derive(Clone, Copy)]
enum Loss {
    Destroyed,
    Damaged,
}

pub(super) async fn run(field: &Field, random: &mut Random) -> Result<()> {
    let names = field.processes(&["shard", "cdc", "shuckle"])?;
    let Some(name) = random.pick(&names).cloned() else {
        return Ok(());
    };
    let Ok(_turn) = field.surgery.try_lock() else {
        return Ok(());
    };
    let before = acting(field, &name).await?;
    if before != name.parse().ok() {
        return Ok(()); // who was rebuilt a moment ago is not rebuilt again so soon
    }
    let loss = match random.below(2) {
        // The log of a process with little to do may just have been begun, and nothing be in it that could be damaged.
        _ if !name.starts_with("cdc") && !is_busy(field, before) => Loss::Destroyed,
        0 => Loss::Destroyed,
        _ => Loss::Damaged,
    };
    let what = match loss {
        Loss::Destroyed => format!("the directory of {name} is destroyed"),
        Loss::Damaged => format!("the log of {name} is damaged"),
    };
    let fault = field.recorder.fault(&what);
    let (cluster, victim) = (field.cluster.clone(), name.clone());
    let losing = tokio::task::spawn_blocking(move || lose(&cluster, &victim, loss));
    losing.await.context("wait for a loss")??;
    let rebuilt = is_rebuilt(field, &name, before).await;
    rebuilt.with_context(|| what.clone())?;
    field.recorder.healed(fault, &what);
    Ok(())
}

fn lose(cluster: &Cluster, name: &str, loss: Loss) -> Result<()> {
    let dir = cluster.data(name);
    cluster.eggsrun(&["kill", name])?.ok()?;
    match loss {
        Loss::Destroyed => fs::remove_dir_all(&dir).context("remove a directory")?,
        Loss::Damaged => damage(&newest_log(&dir.join("raft/log"))?)?,
    }
    cluster.eggsrun(&["start", name])?.ok().map(drop)
}

/// Older ones may be there to be written anew.
fn newest_log(dir: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))?;
    let logs = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "log"));
    logs.max().context("no write-ahead log")
}

/// Turns bits near the beginning of a file: what is behind them is not read any more. Its end may be of an earlier use.
fn damage(path: &Path) -> Result<()> {
    const AT: usize = 4096;
    let mut bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    if bytes.len() <= AT {
        bail!("{} is too short to be damaged", path.display());
    }
    let rotten = bytes.iter_mut().skip(AT).take(64);
    rotten.for_each(|byte| *byte ^= 0x55);
    fs::write(path, bytes).with_context(|| format!("damage {}", path.display()))
}

/// Whether a process votes in so many groups that its log is written to all the time.
fn is_busy(field: &Field, node: Option<NodeId>) -> bool {
    const MANY: usize = 64;
    let map = field.client.map();
    let votes = |node: &NodeId| {
        map.groups
            .iter()
            .filter(|g| g.replicas.contains(node))
            .count()
    };
    node.as_ref().is_some_and(|node| votes(node) >= MANY)
}

/// The name under which the process in a place is on the map.
async fn acting(field: &Field, name: &str) -> Result<Option<NodeId>> {
    let place: NodeId = name.parse().context("the name of a process")?;
    let map = field.client.with_timeout(BOUND).refresh_map().await;
    let map = map.context("ask the registry for the map")?;
    let nodes = map.nodes.iter().map(|info| info.node);
    Ok(nodes.filter(|node| node.place() == place).max())
}

async fn is_rebuilt(field: &Field, name: &str, before: Option<NodeId>) -> Result<()> {
    let begin = Instant::now();
    loop {
        let now = acting(field, name).await?;
        let map = field.client.map();
        let votes = |node: NodeId| map.groups.iter().any(|g| g.replicas.contains(&node));
        if now > before
            && !before.is_some_and(votes)
            && before.is_none_or(|b| map.node(b).is_none())
        {
            return Ok(());
        }
        if begin.elapsed() > BOUND {
            bail!(
                "{name} was not rebuilt within {BOUND:?}: it acts as {now:?}, before as {before:?}"
            );
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
