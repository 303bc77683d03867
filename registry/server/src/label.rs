//! The label of a directory: whose it is and which version wrote it. A directory is never used by another
//! process than the one that made it, because a replica's promises are in it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use eggs_proto::meta::Standing;
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
    /// A random number, the directory's own; absent in directories from before there were any.
    #[serde(default)]
    incarnation: Option<u64>,
    /// Absent in those as well: they have a past.
    #[serde(default)]
    past: Past,
}

/// Whether a replica may have started in the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Past {
    /// No.
    None,
    /// Perhaps; together with these new directories the registry was founded, if it was.
    Some {
        /// Their numbers.
        founders: Vec<u64>,
    },
}

impl Default for Past {
    fn default() -> Self {
        let founders = Vec::new();
        Self::Some { founders }
    }
}

/// What a directory's label says of its process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub incarnation: u64,
    pub past: Past,
}

impl Identity {
    /// As others are told.
    pub(crate) fn standing(&self) -> Standing {
        match &self.past {
            Past::None => Standing::New {
                incarnation: self.incarnation,
            },
            Past::Some { founders } => Standing::Settled {
                founders: founders.clone(),
            },
        }
    }
}

impl Label {
    fn of(config: &Config, identity: &Identity) -> Self {
        Self {
            format: FORMAT,
            program: PROGRAM.into(),
            node: config.node().to_string(),
            cluster: config.cluster_name.clone(),
            incarnation: Some(identity.incarnation),
            past: identity.past.clone(),
        }
    }
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
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoEntropy,
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
pub(crate) fn claim(config: &Config) -> Result<Identity, LabelError> {
    let dir = &config.dir;
    fs::create_dir_all(dir).map_err(|source| failed("create", dir, source))?;
    let path = dir.join(FILE);
    match fs::read(&path) {
        Ok(bytes) => {
            let found = check(config, &path, &bytes)?;
            let incarnation = found.incarnation.map_or_else(fresh, Ok)?;
            let identity = Identity {
                incarnation,
                past: found.past,
            };
            if found.format < FORMAT || found.incarnation.is_none() {
                keep(config, &identity)?;
            }
            Ok(identity)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let identity = Identity {
                incarnation: fresh()?,
                past: Past::None,
            };
            keep(config, &identity)?;
            Ok(identity)
        }
        Err(source) => Err(failed("read", &path, source)),
    }
}

fn fresh() -> Result<u64, LabelError> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|_| LabelError::NoEntropy)?;
    Ok(u64::from_le_bytes(random))
}

/// Writes what is known of the process.
pub(crate) fn keep(config: &Config, identity: &Identity) -> Result<(), LabelError> {
    let (dir, label) = (&config.dir, Label::of(config, identity));
    write(dir, &dir.join(FILE), &label).map_err(|source| failed("write to", dir, source))
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> LabelError {
    LabelError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

fn check(config: &Config, path: &Path, bytes: &[u8]) -> Result<Label, LabelError> {
    let found: Label = serde_json::from_slice(bytes).map_err(|_| LabelError::Malformed {
        path: path.to_owned(),
    })?;
    if !(FORMAT_MIN..=FORMAT).contains(&found.format) {
        return Err(LabelError::Format {
            path: config.dir.clone(),
            found: found.format,
        });
    }
    let name = |program: &str, node: &str, cluster: &str| {
        format!("{program} {node} of cluster `{cluster}`")
    };
    let owner = name(&found.program, &found.node, &found.cluster);
    let wanted = name(PROGRAM, &config.node().to_string(), &config.cluster_name);
    if owner != wanted {
        return Err(LabelError::Owner {
            path: config.dir.clone(),
            found: owner,
            wanted,
        });
    }
    Ok(found)
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
    use std::collections::BTreeMap;

    use eggs_proto::hello::Secret;
    use eggs_rpc::Credentials;

    use super::*;

    fn config(dir: &Path) -> Config {
        let credentials = Credentials::server(Secret::new([1; 32]));
        Config::new(0, dir, BTreeMap::new(), credentials)
    }

    #[test]
    fn older_directories_become_ours_and_newer_ones_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (config, path) = (config(dir.path()), dir.path().join(FILE));
        let label = |format: u32| {
            format!(
                r#"{{"format":{format},"program":"{PROGRAM}","node":"shuckle0","cluster":"eggsfs"}}"#
            )
        };
        fs::write(&path, label(1)).unwrap();
        let old = claim(&config).unwrap();
        assert_eq!(old.past, Past::default(), "it may have promised something");
        let kept: Label = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(kept.format, FORMAT);
        assert_eq!(claim(&config).unwrap(), old);
        for unknown in [0, FORMAT + 1] {
            fs::write(&path, label(unknown)).unwrap();
            let refused = claim(&config);
            assert!(matches!(refused, Err(LabelError::Format { found, .. }) if found == unknown));
            assert_eq!(fs::read_to_string(&path).unwrap(), label(unknown));
        }
    }

    #[test]
    fn a_new_directory_has_no_past_until_it_is_kept_with_one() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(&dir.path().join("new"));
        let mut identity = claim(&config).unwrap();
        assert_eq!(identity.past, Past::None);
        assert_eq!(claim(&config).unwrap(), identity);
        identity.past = Past::Some { founders: vec![5] };
        keep(&config, &identity).unwrap();
        assert_eq!(claim(&config).unwrap(), identity);
        fs::remove_dir_all(&config.dir).unwrap();
        let other = claim(&config).unwrap();
        assert!(other.past == Past::None && other.incarnation != identity.incarnation);
    }
}
