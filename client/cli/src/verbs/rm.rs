//! `rm`: files, symlinks and, with `-r`, whole trees, many entries at a time.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use eggs_client::{Client, ClientError, FollowLast};
use eggs_proto::shard::ListEntry;
use eggs_proto::{InodeId, LIST_ENTRIES_MAX, Name, Refusal};
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt as _};
use tokio::sync::Semaphore;

use crate::context::{Context, show, show_name};
use crate::failure::{Exit, Failure};

/// Entries removed at the same time.
const IN_FLIGHT: usize = 64;
/// Failures that are told one by one.
const TOLD_MAX: u64 = 20;
/// How often a directory that filled again while it was emptied is emptied again.
const ROUNDS_MAX: u32 = 3;

/// What the command line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) recursive: bool,
    pub(crate) force: bool,
}

pub(crate) async fn run(
    context: &Context,
    paths: &[OsString],
    options: Options,
) -> Result<Exit, Failure> {
    let job = Arc::new(Job::new(context.client.clone()));
    let mut first = None;
    for path in paths {
        let shown = show(path);
        let removed = match context
            .client
            .resolve(path.as_bytes(), FollowLast::No)
            .await
        {
            Ok(found) => match (found.name, found.inode.is_directory(), options.recursive) {
                (None, _, _) => Err(Failure::usage(format!(
                    "cannot remove {shown}: it is not a name in a directory"
                ))),
                (Some(name), true, true) => {
                    job.clone()
                        .tree(found.parent, name, found.inode, shown)
                        .await;
                    Ok(())
                }
                (Some(_), true, false) => Err(Failure::remote(
                    "remove",
                    shown,
                    &Refusal::IsDirectory.into(),
                )),
                (Some(name), false, _) => {
                    let removed = context.client.unlink(found.parent, &name, None).await;
                    job.count(&removed);
                    removed.map_err(|error| Failure::remote("remove", shown, &error))
                }
            },
            Err(error) if error.is_not_found() && options.force => Ok(()),
            Err(error) => Err(Failure::remote("remove", shown, &error)),
        };
        if let Err(failure) = removed {
            job.failed.fetch_add(1, Ordering::Relaxed);
            match first {
                None => first = Some(failure),
                Some(_) => {
                    if let Failure::Said { sentence, .. } = failure {
                        eprintln!("eggscli: {sentence}");
                    }
                }
            }
        }
    }
    job.outcome(first)
}

/// One run of `rm`.
struct Job {
    client: Client,
    places: Semaphore,
    removed: AtomicU64,
    failed: AtomicU64,
}

impl Job {
    fn new(client: Client) -> Self {
        Self {
            client,
            places: Semaphore::new(IN_FLIGHT),
            removed: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    fn count(&self, result: &Result<(), ClientError>) {
        if result.is_ok() {
            self.removed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn outcome(&self, first: Option<Failure>) -> Result<Exit, Failure> {
        let failed = self.failed.load(Ordering::Relaxed);
        let removed = self.removed.load(Ordering::Relaxed);
        match (failed, removed, first) {
            (0, _, _) => Ok(Exit::Fine),
            (_, 0, Some(Failure::Said { exit, sentence })) => Err(Failure::Said { exit, sentence }),
            (_, 0, _) => Err(Failure::new(Exit::Failed, "nothing was removed; see above")),
            (_, _, first) => {
                if let Some(Failure::Said { sentence, .. }) = first {
                    eprintln!("eggscli: {sentence}");
                }
                let sentence =
                    format!("removed {removed}, failed to remove {failed}; run it again to go on");
                Err(Failure::new(Exit::Partly, sentence))
            }
        }
    }

    /// Removes a directory and everything below it.
    fn tree(
        self: Arc<Self>,
        parent: InodeId,
        name: Name,
        dir: InodeId,
        path: String,
    ) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            for _ in 0..ROUNDS_MAX {
                let before = self.failed.load(Ordering::Relaxed);
                if let Err(error) = self.clone().empty(dir, &path).await {
                    return self.tell(&path, &error);
                }
                if self.failed.load(Ordering::Relaxed) > before {
                    return; // what is left in it has been told
                }
                let removed = {
                    let _place = self.places.acquire().await;
                    self.client.remove_directory(parent, &name).await
                };
                self.count(&removed);
                match removed {
                    Ok(()) => return,
                    Err(ClientError::Refused(Refusal::NotEmpty)) => {} // it filled again
                    Err(error) if error.is_not_found() => return,
                    Err(error) => return self.tell(&path, &error),
                }
            }
            self.tell(&path, &Refusal::NotEmpty.into());
        })
    }

    /// Removes everything in a directory.
    async fn empty(self: Arc<Self>, dir: InodeId, path: &str) -> Result<(), ClientError> {
        let mut after = None;
        loop {
            let page = self.client.list(dir, after, LIST_ENTRIES_MAX).await?;
            after = page.cursor();
            let more = page.more && after.is_some();
            let removals = page.entries.into_iter().map(|entry| {
                let path = format!("{}/{}", path.trim_end_matches('/'), show_name(&entry.name));
                self.clone().entry(dir, entry, path)
            });
            stream::iter(removals)
                .buffer_unordered(IN_FLIGHT)
                .collect::<()>()
                .await;
            if !more {
                return Ok(());
            }
        }
    }

    async fn entry(self: Arc<Self>, dir: InodeId, entry: ListEntry, path: String) {
        let inode = entry.dentry.inode;
        if inode.is_directory() {
            return self.tree(dir, entry.name, inode, path).await;
        }
        let removed = {
            let _place = self.places.acquire().await;
            self.client.unlink(dir, &entry.name, None).await
        };
        self.count(&removed);
        match removed {
            Ok(()) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) => self.tell(&path, &error),
        }
    }

    fn tell(&self, path: &str, error: &ClientError) {
        let failed = self.failed.fetch_add(1, Ordering::Relaxed);
        if failed < TOLD_MAX {
            eprintln!("eggscli: cannot remove {path}: {error}");
        } else if failed == TOLD_MAX {
            eprintln!("eggscli: there are more failures, which are only counted");
        }
    }
}
