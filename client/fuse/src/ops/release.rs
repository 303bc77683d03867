//! Closing: FLUSH and RELEASE. See [`crate::publication`].

use std::sync::Arc;
use std::time::Duration;

use crate::errno::Outcome;
use crate::file_system::{Caller, FileSystem};
use crate::gates::Gate;
use crate::handles::Handle;
use crate::process::{self, Suspects};
use crate::publication::{OnFlush, OnRelease, Verdict};
use crate::write_file::WriteFile;

/// How long `/proc` may take to answer.
const VERDICT_MAX: Duration = Duration::from_secs(2);

/// What is left to be done for a RELEASE, apart from the thread that reads requests.
pub struct Ending {
    file: Arc<WriteFile>,
    publish: Option<Gate>,
}

impl FileSystem {
    /// One descriptor of an open file is being closed, by `who`, who waits.
    pub async fn flush(&self, who: Caller, handle: u64) -> Outcome<()> {
        let Some(Handle::Write(file)) = self.handles.get(handle) else {
            return Ok(());
        };
        // Published and unchanged: no need to ask who else has it open.
        let Some(suspects) = file.suspects(who.pid) else {
            return Ok(());
        };
        let verdict = self.verdict(suspects, &file).await;
        tracing::trace!(file = %file.node, pid = who.pid, ?verdict, "flush");
        match file.flushed(verdict) {
            OnFlush::Nothing => Ok(()),
            OnFlush::Fail(errno) => Err(errno),
            OnFlush::Publish => self.publish(&file).await,
        }
    }

    /// Asks `/proc`, and never waits long for it: then RELEASE decides.
    async fn verdict(&self, suspects: Suspects, file: &WriteFile) -> Verdict {
        let node = file.node;
        let search = tokio::task::spawn_blocking(move || process::verdict(&suspects, node));
        match tokio::time::timeout(VERDICT_MAX, search).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(file = %node, "cannot tell who has a file open");
                Verdict::HeldElsewhere
            }
        }
    }

    /// The last descriptor of a handle is gone. Called in the order of arrival; the rest is done by
    /// [`FileSystem::finish`].
    pub fn release(&self, handle: u64) -> Option<Ending> {
        let Some(Handle::Write(file)) = self.handles.remove(handle) else {
            return None;
        };
        match file.released() {
            OnRelease::StillOpen => None,
            OnRelease::Nothing => {
                self.writes.remove(&file);
                Some(Ending {
                    file,
                    publish: None,
                })
            }
            OnRelease::Discard => {
                self.writes.remove(&file);
                Some(Ending {
                    file,
                    publish: None,
                })
            }
            OnRelease::Publish => {
                let gate = self.gates.close([file.place().dir, file.node]);
                Some(Ending {
                    file,
                    publish: Some(gate),
                })
            }
        }
    }

    /// Publishes or gives up.
    pub async fn finish(&self, ending: Ending) {
        let Ending { file, publish } = ending;
        if let Some(_gate) = publish {
            if let Err(errno) = self.publish(&file).await {
                let place = file.place();
                tracing::warn!(dir = %place.dir, name = %place.name, %errno, "a file was lost after its last close");
            }
            self.writes.remove(&file);
        }
        // Of what is published nothing is given up.
        file.discard().await;
    }

    pub(crate) async fn publish(&self, file: &WriteFile) -> Outcome<()> {
        if let Some(published) = file.publish().await? {
            self.published(&published);
        }
        Ok(())
    }
}
