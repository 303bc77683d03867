//! The label of a directory: which process it belongs to, in which format.
//!
//! **Invariant:** a process never opens a directory that another identity or another format has written.
//! **Invariant:** a store is only opened under the name under which it was written: when a process whose store is lost or
//! damaged gets a new name, what is left of the store is put away before the label says so.
//! **Invariant:** a directory has a random number of its own, its incarnation, for as long as it exists; a process that
//! finds its directory gone gets another one, and so does not pass for what it was.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use eggs_durable::{WholeFile, make_directory};
use eggs_proto::NodeId;
use eggs_raft::remains;
use serde::{Deserialize, Serialize};

/// Format of the directory. Programs that write a former one cannot read all of what this one writes, so a directory of
/// theirs becomes one of ours before anything else is written.
const FORMAT: u32 = 5;
/// Oldest format that is read.
const FORMAT_MIN: u32 = 1;
const FILE: &str = "label.json";
/// Where a label is written before it has its name.
const UNFINISHED: &str = "label.json.new";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Label {
    format: u32,
    /// Who acts in the directory: who it was made for, or one of its successors.
    process: String,
    /// Absent in directories from before there were any.
    #[serde(default)]
    incarnation: Option<u64>,
    #[serde(default)]
    standing: Standing,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    places: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    given_up: Option<u64>,
}

/// Whether the registry is known to have bound the process's name to this directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Standing {
    /// Not yet: no replica has started in it.
    New,
    /// Perhaps not: the directory is older than that, and replicas have started in it.
    Older,
    /// Yes.
    #[default]
    Settled,
}

/// What a directory's label says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Who acts in it.
    pub node: NodeId,
    pub incarnation: u64,
    pub standing: Standing,
    /// Those whose place it takes and who may still be members of groups.
    pub places: Vec<NodeId>,
    /// Its store was found lost or damaged: it never acts as `node` again, and this is its number under its next name.
    pub given_up: Option<u64>,
}

impl Label {
    fn of(identity: &Identity) -> Self {
        Self {
            format: FORMAT,
            process: identity.node.to_string(),
            incarnation: Some(identity.incarnation),
            standing: identity.standing,
            places: identity.places.iter().map(NodeId::to_string).collect(),
            given_up: identity.given_up,
        }
    }
}

/// Checks that `dir` belongs to `node`, or makes it so if it is new.
pub(crate) fn check(dir: &Path, node: NodeId) -> anyhow::Result<Identity> {
    let shown = dir.display();
    make_directory(dir).with_context(|| format!("create directory {shown}"))?;
    let path = dir.join(FILE);
    let process = node.to_string();
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            check_empty(dir)?;
            return adopt(dir, node, Standing::New);
        }
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    };
    let Ok(found) = serde_json::from_slice::<Label>(&text) else {
        bail!(
            "{} is damaged: restore it or use another directory",
            path.display()
        );
    };
    if !(FORMAT_MIN..=FORMAT).contains(&found.format) {
        bail!(
            "directory {shown} has format {}, this program writes format {FORMAT}: use the matching version",
            found.format
        );
    }
    let acting = found.process.parse().ok();
    let Some(acting) = acting.filter(|acting: &NodeId| acting.place() == node) else {
        bail!(
            "directory {shown} belongs to {}, this is {process}: check --dir and --id",
            found.process
        );
    };
    let Some(incarnation) = found.incarnation else {
        return adopt(dir, node, Standing::Older);
    };
    let places = found.places.iter().map(|place| place.parse());
    let identity = Identity {
        node: acting,
        incarnation,
        standing: found.standing,
        places: places
            .collect::<Result<_, _>>()
            .with_context(|| format!("read {}", path.display()))?,
        given_up: found.given_up,
    };
    if found.format < FORMAT {
        write(dir, &identity)?;
    }
    Ok(identity)
}

/// The registry has bound the process's name to this directory.
pub(crate) fn settle(dir: &Path, identity: Identity) -> anyhow::Result<Identity> {
    let standing = Standing::Settled;
    let identity = Identity {
        standing,
        ..identity
    };
    write(dir, &identity)?;
    Ok(identity)
}

/// The store is lost or damaged. From now on it is not opened again, whatever it looks like the next time.
pub(crate) fn give_up(dir: &Path, identity: Identity) -> anyhow::Result<Identity> {
    let given_up = Some(match identity.given_up {
        Some(number) => number,
        None => random()?,
    });
    let identity = Identity {
        given_up,
        ..identity
    };
    write(dir, &identity)?;
    Ok(identity)
}

/// The registry has given the process a new name: an empty store begins under it.
pub(crate) fn begin_again(
    dir: &Path,
    identity: &Identity,
    (node, places): (NodeId, Vec<NodeId>),
) -> anyhow::Result<Identity> {
    remains::put_away(dir)
        .with_context(|| format!("put away the lost store in {}", dir.display()))?;
    let identity = Identity {
        node,
        incarnation: identity.given_up.unwrap_or(identity.incarnation),
        standing: Standing::Settled,
        places,
        given_up: None,
    };
    write(dir, &identity)?;
    Ok(identity)
}

/// Nobody is a member of a group any more whose place this process takes.
pub(crate) fn rebuilt(dir: &Path, identity: Identity) -> anyhow::Result<()> {
    let places = Vec::new();
    write(dir, &Identity { places, ..identity })?;
    remains::remove(dir)
        .with_context(|| format!("remove what is left of a lost store in {}", dir.display()))
}

fn random() -> anyhow::Result<u64> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| anyhow!("no entropy: {error}"))?;
    Ok(u64::from_le_bytes(random))
}

fn adopt(dir: &Path, node: NodeId, standing: Standing) -> anyhow::Result<Identity> {
    let identity = Identity {
        node,
        incarnation: random()?,
        standing,
        places: Vec::new(),
        given_up: None,
    };
    write(dir, &identity)?;
    Ok(identity)
}

fn check_empty(dir: &Path) -> anyhow::Result<()> {
    let shown = dir.display();
    let entries = fs::read_dir(dir).with_context(|| format!("list directory {shown}"))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("list directory {shown}"))?;
        if entry.path() != dir.join(UNFINISHED) {
            bail!("directory {shown} is not empty and has no {FILE}: use an empty one");
        }
    }
    Ok(())
}

/// A label that exists is whole and outlives a power cut.
fn write(dir: &Path, identity: &Identity) -> anyhow::Result<()> {
    let label = Label::of(identity);
    let file = WholeFile {
        path: &dir.join(FILE),
        unfinished: &dir.join(UNFINISHED),
        mode: 0o600,
    };
    let write = || file.write(&serde_json::to_vec(&label)?);
    write().with_context(|| format!("write a label into {}", dir.display()))
}

#[cfg(test)]
mod tests {
    use eggs_proto::ProcessRole;

    use super::*;

    #[test]
    fn a_directory_belongs_to_one_process_and_format() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("new");
        let node = NodeId::new(ProcessRole::Shard, 3);
        let new = check(&dir, node).unwrap();
        assert_eq!(new.standing, Standing::New);
        assert_eq!(check(&dir, node).unwrap(), new);
        settle(&dir, new.clone()).unwrap();
        let settled = check(&dir, node).unwrap();
        assert_eq!(settled.standing, Standing::Settled);
        assert_eq!(settled.incarnation, new.incarnation);
        for other in [
            NodeId::new(ProcessRole::Shard, 2),
            NodeId::new(ProcessRole::Cdc, 3),
        ] {
            let error = check(&dir, other).unwrap_err().to_string();
            assert!(error.contains("belongs to shard3"), "{error}");
        }
        let newer = FORMAT + 1;
        let text = format!(r#"{{"format":{newer},"process":"shard3"}}"#);
        fs::write(dir.join(FILE), text).unwrap();
        let error = check(&dir, node).unwrap_err().to_string();
        assert!(error.contains(&format!("has format {newer}")), "{error}");
        fs::write(dir.join(FILE), r#"{"format":1,"process":"shard3"}"#).unwrap();
        check(&dir, node).unwrap();
        let text = fs::read_to_string(dir.join(FILE)).unwrap();
        let ours = format!(r#"{{"format":{FORMAT},"process":"shard3","incarnation":"#);
        assert!(text.starts_with(&ours), "{text}");
        fs::write(dir.join(FILE), "junk").unwrap();
        let error = check(&dir, node).unwrap_err().to_string();
        assert!(error.contains("is damaged"), "{error}");
    }

    #[test]
    fn a_directory_from_before_gets_an_incarnation_and_a_lost_one_another() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("old");
        fs::create_dir(&dir).unwrap();
        let node = NodeId::new(ProcessRole::Shard, 3);
        fs::write(dir.join(FILE), r#"{"format":1,"process":"shard3"}"#).unwrap();
        let old = check(&dir, node).unwrap();
        assert_eq!(old.standing, Standing::Older);
        assert_eq!(check(&dir, node).unwrap(), old);
        fs::remove_dir_all(&dir).unwrap();
        let new = check(&dir, node).unwrap();
        assert_ne!(new.incarnation, old.incarnation);
        assert_eq!(new.standing, Standing::New);
    }

    #[test]
    fn a_store_that_was_given_up_is_never_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("damaged");
        let node = NodeId::new(ProcessRole::Shard, 3);
        let old = settle(&dir, check(&dir, node).unwrap()).unwrap();
        fs::create_dir(dir.join("raft")).unwrap();
        fs::write(dir.join("raft/CURRENT"), "rotten").unwrap();
        let given_up = give_up(&dir, old.clone()).unwrap();
        assert_eq!(give_up(&dir, given_up.clone()).unwrap(), given_up);
        assert_eq!(check(&dir, node).unwrap(), given_up);
        let number = given_up.given_up.unwrap();
        assert_ne!(number, old.incarnation);
        let next = node.successor().unwrap();
        let begun = begin_again(&dir, &given_up, (next, vec![node])).unwrap();
        assert_eq!((begun.node, begun.incarnation), (next, number));
        assert_eq!(check(&dir, node).unwrap(), begun);
        assert!(
            !dir.join("raft").exists(),
            "another name opens what is left"
        );
        // A crash before the label was written: the store is away already, and is not lost for it.
        let again = begin_again(&dir, &given_up, (next, vec![node])).unwrap();
        assert_eq!(again, begun);
        assert!(dir.join("raft.lost/CURRENT").exists());
        rebuilt(&dir, begun).unwrap();
        assert!(check(&dir, node).unwrap().places.is_empty());
        assert!(!dir.join("raft.lost").exists());
        // It belongs to who is started for that place, and to nobody else.
        assert!(check(&dir, NodeId::new(ProcessRole::Shard, 4)).is_err());
    }

    #[test]
    fn somebody_elses_directory_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.tex"), "x").unwrap();
        let error = check(dir.path(), NodeId::new(ProcessRole::Cdc, 0)).unwrap_err();
        assert!(error.to_string().contains("is not empty"), "{error}");
    }
}
