//! The label of a directory: whose it is and which version wrote it. A directory is never used by another
//! process than the one that made it, because a replica's promises are in it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Config;

const FILE: &str = "LABEL";
/// The layout of the directory that this build writes.
const FORMAT: u32 = 2;
/// Oldest format that is read. Programs that write it cannot read all of what this one writes, so a directory of theirs
/// becomes one of ours before anything else is written.
const FORMAT_MIN: u32 = 1;
const PROGRAM: &str = "eggsshuckle";

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Label {
    format: u32,
    program: String,
    node: String,
    cluster: String,
}

/// Why a directory is not used.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// The file system refused.
    #[error("cannot {action} {path} (--dir): {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Another version wrote it.
    #[error(
        "{path} (--dir) was written by format {found}, this build writes format {FORMAT}; use the matching version of EggsFS or another directory"
    )]
    Format {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// It is another process's.
    #[error(
        "{path} (--dir) belongs to {found}, not to {wanted}; give each process its own directory"
    )]
    Owner {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        wanted: String,
    },
    /// The label cannot be read.
    #[error(
        "{path} is not a label of EggsFS; --dir has to be a directory of this process or an empty one"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

/// Takes the directory into possession, or checks that it is ours.
pub(crate) fn claim(config: &Config) -> Result<(), LabelError> {
    let dir = &config.dir;
    fs::create_dir_all(dir).map_err(|source| failed("create", dir, source))?;
    let path = dir.join(FILE);
    let wanted = Label {
        format: FORMAT,
        program: PROGRAM.into(),
        node: config.node().to_string(),
        cluster: config.cluster_name.clone(),
    };
    match fs::read(&path) {
        Ok(bytes) => match check(dir, &path, &bytes, &wanted)? {
            Age::Ours => Ok(()),
            Age::Older => {
                write(dir, &path, &wanted).map_err(|source| failed("write to", dir, source))
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write(dir, &path, &wanted).map_err(|source| failed("write to", dir, source))
        }
        Err(source) => Err(failed("read", &path, source)),
    }
}

/// Of a directory.
enum Age {
    Ours,
    Older,
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> LabelError {
    LabelError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

fn check(dir: &Path, path: &Path, bytes: &[u8], wanted: &Label) -> Result<Age, LabelError> {
    let mut found: Label = serde_json::from_slice(bytes).map_err(|_| LabelError::Malformed {
        path: path.to_owned(),
    })?;
    let owner = |label: &Label| {
        format!(
            "{} {} of cluster `{}`",
            label.program, label.node, label.cluster
        )
    };
    if !(FORMAT_MIN..=FORMAT).contains(&found.format) {
        return Err(LabelError::Format {
            path: dir.to_owned(),
            found: found.format,
        });
    }
    let age = if found.format < FORMAT {
        found.format = FORMAT;
        Age::Older
    } else {
        Age::Ours
    };
    if found != *wanted {
        return Err(LabelError::Owner {
            path: dir.to_owned(),
            found: owner(&found),
            wanted: owner(wanted),
        });
    }
    Ok(age)
}

fn write(dir: &Path, path: &Path, label: &Label) -> io::Result<()> {
    let unfinished = dir.join("LABEL.new");
    let mut file = File::create(&unfinished)?;
    file.write_all(&serde_json::to_vec_pretty(label)?)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_directories_become_ours_and_newer_ones_are_left_alone() {
        let label = |format| Label {
            format,
            program: PROGRAM.into(),
            node: "registry0".into(),
            cluster: "c".into(),
        };
        let (dir, path) = (Path::new("dir"), Path::new("dir/LABEL"));
        let age = |format| {
            let bytes = serde_json::to_vec(&label(format)).unwrap();
            check(dir, path, &bytes, &label(FORMAT))
        };
        assert!(matches!(age(1), Ok(Age::Older)));
        assert!(matches!(age(FORMAT), Ok(Age::Ours)));
        for unknown in [0, FORMAT + 1] {
            let refused = age(unknown);
            assert!(matches!(refused, Err(LabelError::Format { found, .. }) if found == unknown));
        }
    }
}
