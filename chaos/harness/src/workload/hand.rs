//! A worker: a client of its own, its chance, and a record of what it does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use eggs_client::{Client, ClientError, RenameEntry};
use eggs_proto::cdc::EntryName;
use eggs_proto::shard::Replace;
use eggs_proto::{AttributeChange, InodeId, Name, NewAttributes, Refusal};

use crate::Random;
use crate::history::{Answer, Operation, Recorder, Refused};

/// How long the last reads may be repeated until they are answered.
const LAST_READ: Duration = Duration::from_secs(60);

/// A worker.
pub struct Hand {
    /// Its number.
    pub worker: u64,
    /// Its client, which it shares with nobody.
    pub client: Client,
    /// Where it writes down what it does.
    pub recorder: Arc<Recorder>,
    /// What it decides by.
    pub random: Random,
}

/// A name. Ours are all short and plain.
pub(super) fn name(text: String) -> Name {
    Name::new(text).expect("short and without a slash")
}

const fn attributes(mode: u32) -> NewAttributes {
    NewAttributes {
        mode,
        uid: 0,
        gid: 0,
        mtime: None,
        atime: None,
    }
}

impl Hand {
    /// Does something and writes down what came of it.
    pub(super) async fn ask(
        &self,
        operation: Operation,
        work: impl Future<Output = Result<Answer, ClientError>>,
    ) -> Answer {
        let reads = operation.only_reads();
        let ticket = self.recorder.call(self.worker, operation);
        let answer = match work.await {
            Ok(answer) => answer,
            Err(error) => failed(&error, reads),
        };
        self.recorder.answer(ticket, answer.clone());
        answer
    }

    /// Does a read of the end, again and again until it is answered. That it never is, is wrong: nothing is broken.
    pub(super) async fn ask_at_last<F>(&self, operation: Operation, work: impl Fn() -> F)
    where
        F: Future<Output = Result<Answer, ClientError>>,
    {
        let begin = Instant::now();
        let ticket = self.recorder.call(self.worker, operation);
        let answer = loop {
            match work().await {
                Ok(answer) => break answer,
                Err(error) if begin.elapsed() > LAST_READ => {
                    let why =
                        format!("not answered {LAST_READ:?} after everything was healed: {error}");
                    break Answer::Wrong { why };
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        };
        self.recorder.answer(ticket, answer);
    }

    /// Makes a directory before the load begins.
    pub(super) async fn make_directory(&self, dir: InodeId, text: String) -> Result<InodeId> {
        let made = self.mkdir(dir, text.clone());
        made.await
            .with_context(|| format!("make the directory {text}"))
    }

    /// Makes an empty directory.
    pub(super) async fn mkdir(&self, dir: InodeId, text: String) -> Result<InodeId, ClientError> {
        let name = name(text);
        let made = self.client.make_directory(dir, &name, attributes(0o755));
        made.await
    }

    /// Writes a file.
    pub(super) async fn write(
        &self,
        dir: InodeId,
        text: String,
        content: &[u8],
        replace: Replace,
    ) -> Result<(), ClientError> {
        let mut writer = self.client.create(dir, attributes(0o644), &text);
        writer.write(content).await?;
        let name = name(text);
        let linked = writer.link(&name, replace, AttributeChange::default());
        linked.await.map(drop)
    }

    /// Renames.
    pub(super) async fn rename(
        &self,
        source: (InodeId, String),
        target: (InodeId, String),
        replace: Replace,
    ) -> Result<(), ClientError> {
        let entry = |(dir, text)| EntryName {
            dir,
            name: name(text),
        };
        let entry = RenameEntry {
            source: entry(source),
            target: entry(target),
        };
        self.client.rename(entry, replace).await
    }

    /// Whether a name exists.
    pub(super) async fn exists(&self, dir: InodeId, text: String) -> Result<bool, ClientError> {
        match self.client.lookup(dir, &name(text)).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// All names of a directory.
    pub(super) async fn names(&self, dir: InodeId) -> Result<Vec<(Vec<u8>, InodeId)>, ClientError> {
        /// Small, so that listings are interrupted by changes.
        const PAGE: u32 = 32;
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let page = self.client.list(dir, after, PAGE).await?;
            after = page.cursor();
            let found = page.entries.into_iter();
            names.extend(found.map(|e| (e.name.as_bytes().to_vec(), e.dentry.inode)));
            if !page.more || after.is_none() {
                return Ok(names);
            }
        }
    }

    /// The numbers in names that begin with `prefix`, in ascending order. Other names are wrong.
    pub(super) async fn numbers(&self, dir: InodeId, prefix: &str) -> Result<Answer, ClientError> {
        let mut elements = Vec::new();
        for (name, _) in self.names(dir).await? {
            let text = String::from_utf8_lossy(&name).into_owned();
            match text.strip_prefix(prefix).and_then(|n| n.parse().ok()) {
                Some(number) => elements.push(number),
                None => {
                    let why = format!("a listing has the name {text:?}, which nobody made");
                    return Ok(Answer::Wrong { why });
                }
            }
        }
        elements.sort_unstable();
        Ok(Answer::Elements { elements })
    }
}

/// What an error says about whether anything happened.
fn failed(error: &ClientError, reads: bool) -> Answer {
    let why = error.to_string();
    match error {
        _ if reads => Answer::Failed { why },
        ClientError::Refused(Refusal::Exists) => Answer::Refused {
            why: Refused::Exists,
        },
        ClientError::Refused(Refusal::NotFound) => Answer::Refused {
            why: Refused::NotFound,
        },
        ClientError::Refused(Refusal::Loop) => Answer::Refused { why: Refused::Loop },
        ClientError::Refused(_) => Answer::Failed { why },
        _no_decision => Answer::Unknown { why },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_decision_is_believed() {
        let what = "shard 3".to_owned();
        let late = ClientError::Deadline { what };
        assert!(matches!(failed(&late, false), Answer::Unknown { .. }));
        assert!(matches!(failed(&late, true), Answer::Failed { .. }));
        let exists = ClientError::Refused(Refusal::Exists);
        let why = Refused::Exists;
        assert_eq!(failed(&exists, false), Answer::Refused { why });
        let locked = ClientError::Refused(Refusal::Locked);
        assert!(matches!(failed(&locked, false), Answer::Failed { .. }));
    }
}
