//! `undelete`: what was removed or replaced comes back.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::time::SystemTime;

use eggs_client::{ClientError, Intent, TreeOptions, Undeleted, Versions};
use eggs_proto::shard::{Replace, Snapshot};
use eggs_proto::{InodeId, Name, Time};
use serde_json::{Value, json};

use crate::context::{Context, show};
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};
use crate::text::time::{When, show_log_ms};

/// How much comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The thing itself.
    One,
    /// What was in it as well.
    Tree,
}

impl Depth {
    /// Of the flag.
    pub(crate) const fn of(recursive: bool) -> Self {
        if recursive { Self::Tree } else { Self::One }
    }
}

/// What the flag means.
pub(crate) const fn replace(replace: bool) -> Replace {
    if replace {
        Replace::Files
    } else {
        Replace::Never
    }
}

/// What the flag means.
pub(crate) const fn intent(dry_run: bool) -> Intent {
    if dry_run { Intent::Plan } else { Intent::Do }
}

/// What the command line says.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) depth: Depth,
    pub(crate) name: Option<OsString>,
    pub(crate) version: Option<When>,
    pub(crate) deleted_after: Option<When>,
    pub(crate) replace: Replace,
    pub(crate) intent: Intent,
}

pub(crate) async fn run(
    context: &Context,
    path: &OsStr,
    options: Options,
) -> Result<Exit, Failure> {
    let failed = |error| Failure::remote("bring back", show(path), &error);
    let now = SystemTime::now();
    let since = options.deleted_after.map(|when| when.time(now));
    let at = options.version.map(|when| when.time(now));
    let versions = context.client.versions(path.as_bytes()).await;
    let versions = versions.map_err(failed)?;
    let mut job = Job {
        format: context.format,
        intent: options.intent,
        output: Output::new(),
        told: Vec::new(),
        done: 0,
        failed: None,
    };
    let below = match tree(&versions, &options) {
        Some(dir) => Some((dir, show(path))),
        None => {
            let version = choose(&versions, at, since).ok_or_else(|| nothing(path))?;
            let name = match &options.name {
                Some(name) => Name::new(name.as_bytes()).map_err(|bad| failed(bad.into()))?,
                None => versions.entry.name.clone(),
            };
            let shown = renamed(path, &name);
            let outcome = match options.intent {
                Intent::Plan => Ok(()),
                Intent::Do => {
                    let (client, dir) = (&context.client, versions.entry.dir);
                    client.undelete(dir, version, &name, options.replace).await
                }
            };
            let back = outcome.is_ok();
            job.tell(&shown, version, outcome)?;
            let below = back && options.depth == Depth::Tree && version.inode.is_directory();
            below.then_some((version.inode, shown))
        }
    };
    if let Some((dir, shown)) = below {
        let options = TreeOptions {
            deleted_after: since,
            intent: options.intent,
        };
        job.tree(context, (dir, &shown), options).await?;
    }
    job.end()
}

/// The directory that is there, if what was in it is meant.
fn tree(versions: &Versions, options: &Options) -> Option<InodeId> {
    let only_below = options.version.is_none() && options.name.is_none();
    let current = versions.current?.inode;
    let meant = only_below && options.depth == Depth::Tree && current.is_directory();
    meant.then_some(current)
}

/// The version that is meant.
fn choose(versions: &Versions, at: Option<Time>, since: Option<Time>) -> Option<&Snapshot> {
    let kept = |old: &&Snapshot| old.owned && !old.collecting;
    let meant = |old: &&Snapshot| {
        let held = at.is_none_or(|time| old.key.created <= time && time < old.removed);
        held && since.is_none_or(|since| old.removed >= since)
    };
    versions.old.iter().rev().filter(kept).find(meant)
}

fn nothing(path: &OsStr) -> Failure {
    let sentence = format!(
        "cannot bring back {}: there is no old version that could; see `eggscli history`",
        show(path)
    );
    Failure::new(Exit::Failed, sentence)
}

/// The path with another last name.
fn renamed(path: &OsStr, name: &Name) -> String {
    let text = show(path);
    let text = text.trim_end_matches('/');
    let parent = text.rfind('/').map_or("", |at| &text[..=at]);
    format!("{parent}{name}")
}

struct Job {
    format: Format,
    intent: Intent,
    output: Output,
    told: Vec<Value>,
    done: u64,
    /// The first failure.
    failed: Option<Failure>,
}

impl Job {
    async fn tree(
        &mut self,
        context: &Context,
        (dir, shown): (InodeId, &str),
        options: TreeOptions,
    ) -> Result<(), Failure> {
        let mut broken = Ok(());
        let parent = shown.trim_end_matches('/');
        let tell = |one: Undeleted| {
            let path = format!("{parent}/{}", String::from_utf8_lossy(&one.path));
            let told = self.tell(&path, &one.version, one.outcome);
            if broken.is_ok() {
                broken = told;
            }
        };
        let walked = context.client.undelete_tree(dir, options, tell).await;
        if let Err(error) = walked {
            let failure = Failure::remote("bring back all of", shown, &error);
            self.failed.get_or_insert(failure);
        }
        broken
    }

    fn tell(
        &mut self,
        path: &str,
        version: &Snapshot,
        outcome: Result<(), ClientError>,
    ) -> Result<(), Failure> {
        let word = match (&outcome, self.intent) {
            (Err(_), _) => "failed",
            (Ok(()), Intent::Do) => "restored",
            (Ok(()), Intent::Plan) => "would restore",
        };
        let error = outcome.as_ref().err().map(ToString::to_string);
        match outcome {
            Ok(()) => self.done += 1,
            Err(error) => {
                let failure = Failure::remote("bring back", path, &error);
                self.failed.get_or_insert(failure);
            }
        }
        match self.format {
            Format::Json => self.told.push(json!({
                "path": path,
                "inode": version.inode.to_string(),
                "created_ms": version.key.created.0,
                "removed_ms": version.removed.0,
                "outcome": word,
                "error": error,
            })),
            Format::Text => {
                let removed = show_log_ms(version.removed);
                let text: String = format!("{word} {path}  (removed {removed})");
                let why = error.map_or(String::new(), |error| format!(": {error}"));
                self.output.line(clean(&format!("{text}{why}")))?;
            }
        }
        Ok(())
    }

    fn end(mut self) -> Result<Exit, Failure> {
        match self.format {
            Format::Json => self.output.json(&Value::Array(self.told))?,
            Format::Text if self.done == 0 && self.failed.is_none() => {
                self.output.line("nothing to bring back")?;
            }
            Format::Text => {}
        }
        self.output.finish()?;
        match (self.failed, self.done) {
            (None, _) => Ok(Exit::Fine),
            (Some(failure), 0) => Err(failure),
            (Some(failure), _) => {
                if let Failure::Said { sentence, .. } = &failure {
                    eprintln!("eggscli: {sentence}");
                }
                Ok(Exit::Partly)
            }
        }
    }
}

/// Control characters must not reach the terminal.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use eggs_client::OldEntry;
    use eggs_proto::shard::{Dentry, SnapshotKey};
    use eggs_proto::{InodeKind, NameHash, ShardId};

    use super::*;

    fn versions(old: &[(u64, u64)], current: Option<InodeId>) -> Versions {
        let name = Name::new("f").unwrap();
        let inode = InodeId::new(InodeKind::File, ShardId(0), 1);
        let snapshot = |(created, removed): &(u64, u64)| Snapshot {
            key: SnapshotKey {
                hash: NameHash(1),
                name: name.clone(),
                created: Time(*created),
            },
            removed: Time(*removed),
            inode,
            owned: true,
            collecting: false,
        };
        Versions {
            entry: OldEntry {
                dir: InodeId::ROOT,
                name: name.clone(),
            },
            current: current.map(|inode| Dentry {
                inode,
                created: Time(100),
                attributes: None,
            }),
            old: old.iter().map(snapshot).collect(),
        }
    }

    fn chosen(versions: &Versions, at: Option<u64>, since: Option<u64>) -> Option<u64> {
        let version = choose(versions, at.map(Time), since.map(Time));
        version.map(|version| version.key.created.0)
    }

    #[test]
    fn the_newest_version_comes_back_unless_a_time_is_given() {
        let mut all = versions(&[(1, 5), (5, 9), (20, 30)], None);
        assert_eq!(chosen(&all, None, None), Some(20));
        assert_eq!(chosen(&all, Some(5), None), Some(5));
        assert_eq!(chosen(&all, Some(4), None), Some(1));
        assert_eq!(chosen(&all, Some(9), None), None);
        assert_eq!(chosen(&all, None, Some(31)), None);
        assert_eq!(chosen(&all, Some(4), Some(6)), None);
        all.old[2].collecting = true;
        all.old[1].owned = false;
        assert_eq!(chosen(&all, None, None), Some(1));
    }

    #[test]
    fn of_a_directory_that_is_there_the_tree_is_meant() {
        let dir = InodeId::new(InodeKind::Directory, ShardId(3), 1);
        let mut options = Options {
            depth: Depth::of(true),
            name: None,
            version: None,
            deleted_after: None,
            replace: replace(false),
            intent: intent(true),
        };
        assert_eq!(tree(&versions(&[], Some(dir)), &options), Some(dir));
        assert_eq!(tree(&versions(&[], None), &options), None);
        options.version = Some(When::At(1));
        assert_eq!(tree(&versions(&[], Some(dir)), &options), None);
        options.version = None;
        options.depth = Depth::of(false);
        assert_eq!(tree(&versions(&[], Some(dir)), &options), None);
    }

    #[test]
    fn paths_get_their_new_names() {
        let name = Name::new("new").unwrap();
        for (old, new) in [
            ("/a/b", "/a/new"),
            ("a", "new"),
            ("/a/", "/new"),
            ("/a", "/new"),
        ] {
            assert_eq!(renamed(OsStr::new(old), &name), new);
        }
    }
}
