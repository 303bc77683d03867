//! The label of a directory: whose it is and which version wrote it. A directory is never used by another
//! process than the one that made it, because a replica's promises are in it.
//!
//! **Invariant:** a store is only opened under the name under which it was written: when a process whose store is lost or
//! damaged gets a new name, what is left of the store is put away before the label says so.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use eggs_durable::{WholeFile, make_directory};
use eggs_proto::NodeId;
use eggs_proto::meta::Standing;
use eggs_raft::remains;
use serde::{Deserialize, Serialize};

use crate::Config;

const FILE: &str = "LABEL";
/// The layout of the directory that this build writes. One of format 2 would take up a store that was given up, one of format 3 would
/// not find replies.
const FORMAT: u32 = 4;
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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    places: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    given_up: Option<u64>,
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
    /// Who acts in it: who it was made for, or one of its successors.
    pub node: NodeId,
    pub incarnation: u64,
    pub past: Past,
    /// Those whose place it takes and who may still be members.
    pub places: Vec<NodeId>,
    /// Its store was found lost or damaged: it never acts as `node` again, and this is its number under its next name.
    pub given_up: Option<u64>,
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
            node: identity.node.to_string(),
            cluster: config.cluster_name.clone(),
            incarnation: Some(identity.incarnation),
            past: identity.past.clone(),
            places: identity.places.iter().map(NodeId::to_string).collect(),
            given_up: identity.given_up,
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
    make_directory(dir).map_err(|source| failed("create", dir, source))?;
    let path = dir.join(FILE);
    match fs::read(&path) {
        Ok(bytes) => {
            let (node, found) = check(config, &path, &bytes)?;
            let places = found.places.iter().map(|place| place.parse());
            let identity = Identity {
                node,
                incarnation: found.incarnation.map_or_else(fresh, Ok)?,
                past: found.past,
                places: places
                    .collect::<Result<_, _>>()
                    .map_err(|_| malformed(&path))?,
                given_up: found.given_up,
            };
            if found.format < FORMAT || found.incarnation.is_none() {
                keep(config, &identity)?;
            }
            Ok(identity)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let identity = Identity {
                node: config.place(),
                incarnation: fresh()?,
                past: Past::None,
                places: Vec::new(),
                given_up: None,
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

/// The store is lost or damaged. From now on it is not opened again, whatever it looks like the next time.
pub(crate) fn give_up(config: &Config, identity: Identity) -> Result<Identity, LabelError> {
    let given_up = Some(identity.given_up.map_or_else(fresh, Ok)?);
    let identity = Identity {
        given_up,
        ..identity
    };
    keep(config, &identity)?;
    Ok(identity)
}

/// The registry has given the process a new name: an empty store begins under it.
pub(crate) fn begin_again(
    config: &Config,
    identity: &Identity,
    (node, places): (NodeId, Vec<NodeId>),
) -> Result<Identity, LabelError> {
    let dir = &config.dir;
    remains::put_away(dir).map_err(|source| failed("put away the lost store in", dir, source))?;
    let identity = Identity {
        node,
        incarnation: identity.given_up.unwrap_or(identity.incarnation),
        past: Past::default(),
        places,
        given_up: None,
    };
    keep(config, &identity)?;
    Ok(identity)
}

/// Nobody is a member any more whose place this process takes.
pub(crate) fn rebuilt(config: &Config, identity: Identity) -> Result<(), LabelError> {
    let (dir, places) = (&config.dir, Vec::new());
    keep(config, &Identity { places, ..identity })?;
    remains::remove(dir)
        .map_err(|source| failed("remove what is left of a lost store in", dir, source))
}

fn malformed(path: &Path) -> LabelError {
    LabelError::Malformed {
        path: path.to_owned(),
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> LabelError {
    LabelError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

/// Whose directory it is.
fn check(config: &Config, path: &Path, bytes: &[u8]) -> Result<(NodeId, Label), LabelError> {
    let found: Label = serde_json::from_slice(bytes).map_err(|_| malformed(path))?;
    if !(FORMAT_MIN..=FORMAT).contains(&found.format) {
        return Err(LabelError::Format {
            path: config.dir.clone(),
            found: found.format,
        });
    }
    let name = |program: &str, node: &str, cluster: &str| {
        format!("{program} {node} of cluster `{cluster}`")
    };
    let (program, cluster) = (found.program.as_str(), found.cluster.as_str());
    let node: Option<NodeId> = found.node.parse().ok();
    let ours = (program, cluster) == (PROGRAM, config.cluster_name.as_str());
    match node.filter(|node| ours && node.place() == config.place()) {
        Some(node) => Ok((node, found)),
        None => Err(LabelError::Owner {
            path: config.dir.clone(),
            found: name(program, &found.node, cluster),
            wanted: name(PROGRAM, &config.place().to_string(), &config.cluster_name),
        }),
    }
}

fn write(dir: &Path, path: &Path, label: &Label) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(label)?;
    text.push(b'\n');
    let file = WholeFile {
        path,
        unfinished: &dir.join("LABEL.new"),
        mode: 0o600,
    };
    file.write(&text)
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
        let other_id = Config {
            id: 1,
            ..config.clone()
        };
        assert!(matches!(claim(&other_id), Err(LabelError::Owner { .. })));
        fs::remove_dir_all(&config.dir).unwrap();
        let other = claim(&config).unwrap();
        assert!(other.past == Past::None && other.incarnation != identity.incarnation);
    }

    #[test]
    fn a_store_that_was_given_up_is_never_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(&dir.path().join("damaged"));
        let old = claim(&config).unwrap();
        let old = Identity {
            past: Past::Some { founders: vec![5] },
            ..old
        };
        keep(&config, &old).unwrap();
        fs::create_dir(config.dir.join("raft")).unwrap();
        fs::write(config.dir.join("raft/CURRENT"), "rotten").unwrap();
        let given_up = give_up(&config, old.clone()).unwrap();
        assert_eq!(give_up(&config, given_up.clone()).unwrap(), given_up);
        assert_eq!(claim(&config).unwrap(), given_up);
        let number = given_up.given_up.unwrap();
        assert_ne!(number, old.incarnation);
        let next = old.node.successor().unwrap();
        let begun = begin_again(&config, &given_up, (next, vec![old.node])).unwrap();
        assert_eq!((begun.node, begun.incarnation), (next, number));
        assert_eq!(begun.past, Past::default(), "nobody is a founder by it");
        assert_eq!(claim(&config).unwrap(), begun);
        assert!(
            !config.dir.join("raft").exists(),
            "another name opens what is left"
        );
        // A crash before the label was written: the store is away already, and is not lost for it.
        let again = begin_again(&config, &given_up, (next, vec![old.node])).unwrap();
        assert_eq!(again, begun);
        assert!(config.dir.join("raft.lost/CURRENT").exists());
        rebuilt(&config, begun).unwrap();
        assert!(claim(&config).unwrap().places.is_empty());
        assert!(!config.dir.join("raft.lost").exists());
    }
}
