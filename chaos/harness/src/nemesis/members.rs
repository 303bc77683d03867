//! Who takes part in which group changes under load: by the commands that an operator types.
//!
//! **Invariant:** a command that an operator would have to type again ends the run; nothing is retried here.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::field::Field;
use crate::{Cluster, Random, meta};

/// Processes of metadata.
const METADATA: [&str; 3] = ["shard", "cdc", "shuckle"];
/// `eggsshard` processes that groups are moved between: one more than a group has replicas.
const SHARD_PROCESSES: usize = 4;

/// Destroys the directory of a metadata process and replaces the process.
pub(super) async fn replace(field: &Field, random: &mut Random) -> Result<()> {
    let names = field.processes(&METADATA)?;
    let Some(name) = random.pick(&names).cloned() else {
        return Ok(());
    };
    let what = format!("destroy and replace {name}");
    typed(field, &what, move |cluster| {
        cluster.eggsrun(&["kill", &name])?.ok()?;
        std::fs::remove_dir_all(cluster.data(&name)).context("remove a directory")?;
        cluster.eggsrun(&["replace", &name])?.ok().map(drop)
    })
    .await
}

/// Moves a group, spreads all groups evenly, hands a group over, or replaces a process that works.
pub(super) async fn change(field: &Field, random: &mut Random) -> Result<()> {
    if field.processes(&["shard"])?.len() < SHARD_PROCESSES {
        let add = |cluster: &Cluster| cluster.eggsrun(&["add", "shard"])?.ok().map(drop);
        return typed(field, "add a shard process", add).await;
    }
    match random.below(16) {
        0 => {
            let all = |cluster: &Cluster| meta(cluster, &["balance", "--apply"])?.ok().map(drop);
            typed(field, "balance all groups", all).await
        }
        1 => {
            let names = field.processes(&METADATA)?;
            let Some(name) = random.pick(&names).cloned() else {
                return Ok(());
            };
            let what = format!("replace {name}, which works");
            let replace = move |cluster: &Cluster| {
                let replaced = cluster.eggsrun(&["replace", &name])?;
                replaced.ok().map(drop)
            };
            typed(field, &what, replace).await
        }
        2..=8 => move_group(field, random).await,
        _ => hand_over(field, random).await,
    }
}

/// Moves a replica of a group to a process that has none.
async fn move_group(field: &Field, random: &mut Random) -> Result<()> {
    let group = format!("shard-{:03}", random.below(256));
    let (leaves, joins) = (random.below(usize::MAX), random.below(usize::MAX));
    let what = format!("move a replica of {group}");
    typed(field, &what, move |cluster| {
        let said = meta(cluster, &["status", "--json"])?.stdout;
        let status: Value = serde_json::from_str(&said).context("read the status")?;
        let (inside, outside) = members(&status, &group)?;
        let (from, to) = (pick(&inside, leaves)?, pick(&outside, joins)?);
        let moved = meta(cluster, &["move", &group, from, to])?.ok();
        moved
            .with_context(|| format!("move {group} from {from} to {to}"))
            .map(drop)
    })
    .await
}

fn pick(names: &[String], chance: usize) -> Result<&str> {
    let at = chance.checked_rem(names.len()).context("no process")?;
    Ok(&names[at])
}

/// Shard processes that have a replica of a group, and those that have none.
fn members(status: &Value, group: &str) -> Result<(Vec<String>, Vec<String>)> {
    let list = |value: &Value| -> Vec<String> {
        let nodes = value.as_array().into_iter().flatten();
        nodes
            .filter_map(|node| node["node"].as_str().map(String::from))
            .collect()
    };
    let groups = status["groups"].as_array().context("groups")?;
    let Some(found) = groups.iter().find(|found| found["group"] == group) else {
        bail!("nobody has {group}: {status}");
    };
    let inside = list(&found["members"]);
    let mut outside = list(&status["nodes"]);
    outside.retain(|node| node.starts_with("shard") && !inside.contains(node));
    Ok((inside, outside))
}

/// Makes another process lead a group.
async fn hand_over(field: &Field, random: &mut Random) -> Result<()> {
    let (group, prefix) = match random.below(8) {
        0 => ("cdc".to_owned(), "cdc"),
        1 => ("registry".to_owned(), "shuckle"),
        _ => (format!("shard-{:03}", random.below(256)), "shard"),
    };
    let names = field.processes(&[prefix])?;
    let Some(heir) = random.pick(&names).cloned() else {
        return Ok(());
    };
    let what = format!("hand {group} over to {heir}");
    typed(field, &what, move |cluster| {
        // An heir that is behind, or no member, is refused: that is an answer, too.
        meta(cluster, &["transfer", &group, &heir]).map(drop)
    })
    .await
}

/// Types a command; it is a fault from its beginning to its end.
async fn typed(
    field: &Field,
    what: &str,
    command: impl FnOnce(&Cluster) -> Result<()> + Send + 'static,
) -> Result<()> {
    let Ok(_turn) = field.surgery.try_lock() else {
        return Ok(());
    };
    let cluster = field.cluster.clone();
    let fault = field.recorder.fault(what);
    let typed = tokio::task::spawn_blocking(move || command(&cluster)).await;
    let outcome = typed.context("wait for a command")?;
    outcome.with_context(|| what.to_owned())?;
    field.recorder.healed(fault, what);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_group_moves_from_a_member_to_a_process_without_it() {
        let node = |name: &str| json!({ "node": name });
        let status = json!({
            "nodes": (["cdc0", "shard0", "shard1", "shard2", "shard3"].map(node)),
            "groups": [{"group": "shard-007", "members": (["shard0", "shard2", "shard3"].map(node))}],
        });
        let (inside, outside) = members(&status, "shard-007").unwrap();
        assert_eq!(inside, ["shard0", "shard2", "shard3"]);
        assert_eq!(outside, ["shard1"]);
        assert_eq!(pick(&inside, 4).unwrap(), "shard2");
        assert!(pick(&[], 4).is_err());
        assert!(members(&status, "shard-008").is_err());
    }
}
