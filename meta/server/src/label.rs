//! The label of a directory: which process it belongs to, in which format.
//!
//! **Invariant:** a process never opens a directory that another identity or another format has written.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, bail};
use eggs_proto::NodeId;
use serde::{Deserialize, Serialize};

/// Format of the directory. Programs that write format 1 cannot read all of what this one writes, so a directory of
/// theirs becomes one of ours before anything else is written.
const FORMAT: u32 = 2;
/// Oldest format that is read.
const FORMAT_MIN: u32 = 1;
const FILE: &str = "label.json";
const UNFINISHED: &str = "label.json.new";

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Label {
    format: u32,
    process: String,
}

/// Checks that `dir` belongs to `node`, or makes it so if it is new.
pub(crate) fn check(dir: &Path, node: NodeId) -> anyhow::Result<()> {
    let shown = dir.display();
    fs::create_dir_all(dir).with_context(|| format!("create directory {shown}"))?;
    let path = dir.join(FILE);
    let expected = Label {
        format: FORMAT,
        process: node.to_string(),
    };
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return create(dir, &expected),
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
    if found.process != expected.process {
        bail!(
            "directory {shown} belongs to {}, this is {}: check --dir and --id",
            found.process,
            expected.process
        );
    }
    if found.format < FORMAT {
        write(dir, &expected)?;
    }
    Ok(())
}

/// A label that exists is whole and outlives a power cut.
fn create(dir: &Path, label: &Label) -> anyhow::Result<()> {
    let shown = dir.display();
    let entries = fs::read_dir(dir).with_context(|| format!("list directory {shown}"))?;
    let temporary = dir.join(UNFINISHED);
    for entry in entries {
        let entry = entry.with_context(|| format!("list directory {shown}"))?;
        if entry.path() != temporary {
            bail!("directory {shown} is not empty and has no {FILE}: use an empty one");
        }
    }
    write(dir, label)
}

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
        check(&dir, node).unwrap();
        check(&dir, node).unwrap();
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
        assert_eq!(text, r#"{"format":2,"process":"shard3"}"#);
        fs::write(dir.join(FILE), "junk").unwrap();
        let error = check(&dir, node).unwrap_err().to_string();
        assert!(error.contains("is damaged"), "{error}");
    }

    #[test]
    fn somebody_elses_directory_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.tex"), "x").unwrap();
        let error = check(dir.path(), NodeId::new(ProcessRole::Cdc, 0)).unwrap_err();
        assert!(error.to_string().contains("is not empty"), "{error}");
    }
}
