//! The label of a directory: which process it belongs to, in which format.
//!
//! **Invariant:** a process never opens a directory that another identity or another format has written.
//! **Invariant:** a directory has a random number of its own, its incarnation, for as long as it exists; a process that
//! finds its directory gone gets another one, and so does not pass for what it was.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use eggs_proto::NodeId;
use serde::{Deserialize, Serialize};

/// Format of the directory. Programs that write format 1 cannot read all of what this one writes, so a directory of
/// theirs becomes one of ours before anything else is written.
const FORMAT: u32 = 2;
/// Oldest format that is read.
const FORMAT_MIN: u32 = 1;
const FILE: &str = "label.json";
/// Where a label is written before it has its name.
const UNFINISHED: &str = "label.json.new";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Label {
    format: u32,
    process: String,
    /// Absent in directories from before there were any.
    #[serde(default)]
    incarnation: Option<u64>,
    #[serde(default)]
    standing: Standing,
}

/// Whether the registry is known to have bound the process's name to this directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Standing {
    /// Not yet: no replica has started in it.
    New,
    /// Yes, or the directory is older than that.
    #[default]
    Settled,
}

/// What a directory's label says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub incarnation: u64,
    pub standing: Standing,
}

impl Label {
    fn of(node: NodeId, identity: Identity) -> Self {
        Self {
            format: FORMAT,
            process: node.to_string(),
            incarnation: Some(identity.incarnation),
            standing: identity.standing,
        }
    }
}

/// Checks that `dir` belongs to `node`, or makes it so if it is new.
pub(crate) fn check(dir: &Path, node: NodeId) -> anyhow::Result<Identity> {
    let shown = dir.display();
    fs::create_dir_all(dir).with_context(|| format!("create directory {shown}"))?;
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
    if found.process != process {
        bail!(
            "directory {shown} belongs to {}, this is {process}: check --dir and --id",
            found.process
        );
    }
    match found.incarnation {
        Some(incarnation) => {
            let identity = Identity {
                incarnation,
                standing: found.standing,
            };
            if found.format < FORMAT {
                write(dir, &Label::of(node, identity))?;
            }
            Ok(identity)
        }
        None => adopt(dir, node, Standing::Settled),
    }
}

/// The registry has bound the process's name to this directory.
pub(crate) fn settle(dir: &Path, node: NodeId, identity: Identity) -> anyhow::Result<()> {
    let standing = Standing::Settled;
    let identity = Identity {
        standing,
        ..identity
    };
    write(dir, &Label::of(node, identity))
}

fn adopt(dir: &Path, node: NodeId, standing: Standing) -> anyhow::Result<Identity> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| anyhow!("no entropy: {error}"))?;
    let incarnation = u64::from_le_bytes(random);
    let identity = Identity {
        incarnation,
        standing,
    };
    write(dir, &Label::of(node, identity))?;
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
fn write(dir: &Path, label: &Label) -> anyhow::Result<()> {
    let temporary = dir.join(UNFINISHED);
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(&serde_json::to_vec(label)?)?;
        file.sync_all()?;
        fs::rename(&temporary, dir.join(FILE))?;
        File::open(dir)?.sync_all()
    };
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
        settle(&dir, node, new).unwrap();
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
        fs::write(dir.join(FILE), r#"{"format":3,"process":"shard3"}"#).unwrap();
        let error = check(&dir, node).unwrap_err().to_string();
        assert!(error.contains("has format 3"), "{error}");
        fs::write(dir.join(FILE), r#"{"format":1,"process":"shard3"}"#).unwrap();
        check(&dir, node).unwrap();
        let text = fs::read_to_string(dir.join(FILE)).unwrap();
        assert!(
            text.starts_with(r#"{"format":2,"process":"shard3","incarnation":"#),
            "{text}"
        );
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
        assert_eq!(old.standing, Standing::Settled);
        assert_eq!(check(&dir, node).unwrap(), old);
        fs::remove_dir_all(&dir).unwrap();
        let new = check(&dir, node).unwrap();
        assert_ne!(new.incarnation, old.incarnation);
        assert_eq!(new.standing, Standing::New);
    }

    #[test]
    fn somebody_elses_directory_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.tex"), "x").unwrap();
        let error = check(dir.path(), NodeId::new(ProcessRole::Cdc, 0)).unwrap_err();
        assert!(error.to_string().contains("is not empty"), "{error}");
    }
}
