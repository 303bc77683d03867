//! A transient file that somebody is responsible for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eggs_proto::shard::{NewExtent, PlacedBlock, ShardChange, ShardReply};
use eggs_proto::{Cookie, InodeId, NewAttributes};

use crate::client::Client;
use crate::error::ClientError;
use crate::raw::shard::{done, unexpected};

/// A transient file. Unless it was settled, dropping the last handle scraps it in the background.
pub(super) struct Transient {
    pub(super) client: Client,
    pub(super) file: InodeId,
    pub(super) cookie: Cookie,
    settled: AtomicBool,
}

/// A file that is going to be made, with the first thing to be stored.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) client: Client,
    pub(super) dir: InodeId,
    pub(super) attributes: NewAttributes,
    pub(super) note: String,
}

impl Plan {
    /// Takes a file that was reserved. It gets its attributes when it is linked.
    pub(super) async fn reserved(self) -> Result<Arc<Transient>, ClientError> {
        let (file, cookie) = self.client.reserved_file(self.dir).await?;
        Ok(Arc::new(Transient {
            client: self.client,
            file,
            cookie,
            settled: AtomicBool::new(false),
        }))
    }

    /// Makes the file, empty.
    pub(super) async fn create(self) -> Result<Arc<Transient>, ClientError> {
        let change = ShardChange::CreateTransient {
            dir: self.dir,
            attributes: self.attributes,
            note: self.note,
        };
        let (transient, _) = make(self.client, self.dir, change).await?;
        Ok(transient)
    }

    /// Makes the file with its first extent.
    pub(super) async fn create_with(
        self,
        extent: NewExtent,
    ) -> Result<(Arc<Transient>, Vec<PlacedBlock>), ClientError> {
        let change = ShardChange::CreateWithExtent {
            dir: self.dir,
            attributes: self.attributes,
            note: self.note,
            extent,
        };
        make(self.client, self.dir, change).await
    }
}

/// If the caller goes away meanwhile, the file is scrapped as soon as it is there.
async fn make(
    client: Client,
    dir: InodeId,
    change: ShardChange,
) -> Result<(Arc<Transient>, Vec<PlacedBlock>), ClientError> {
    let runtime = client.inner.runtime.clone();
    let making = runtime.spawn(async move {
        let (file, cookie, blocks) = match client.shard_change(dir.shard(), change).await? {
            ShardReply::Transient { file, cookie } => (file, cookie, Vec::new()),
            ShardReply::Started {
                file,
                cookie,
                blocks,
            } => (file, cookie, blocks),
            _other => return Err(unexpected(dir.shard())),
        };
        let transient = Transient {
            client,
            file,
            cookie,
            settled: AtomicBool::new(false),
        };
        Ok((Arc::new(transient), blocks))
    });
    making.await.unwrap_or_else(|_| Err(shutting_down()))
}

impl Transient {
    /// It is linked or scrapped: nothing is left to be done.
    pub(super) fn settle(&self) {
        self.settled.store(true, Ordering::Release);
    }

    /// Extends its deadline.
    pub(super) async fn keep_alive(&self) -> Result<(), ClientError> {
        let change = ShardChange::KeepAlive {
            file: self.file,
            cookie: self.cookie,
        };
        let shard = self.file.shard();
        done(shard, &self.client.shard_change(shard, change).await?)
    }

    /// Gives it up.
    pub(super) async fn scrap(&self) -> Result<(), ClientError> {
        self.settle();
        scrap(&self.client, self.file, self.cookie).await
    }
}

impl Drop for Transient {
    fn drop(&mut self) {
        if *self.settled.get_mut() {
            return;
        }
        let (client, file, cookie) = (self.client.clone(), self.file, self.cookie);
        let runtime = client.inner.runtime.clone();
        runtime.spawn(async move {
            if let Err(error) = scrap(&client, file, cookie).await {
                tracing::debug!(%file, %error, "a transient file is left to expire");
            }
        });
    }
}

async fn scrap(client: &Client, file: InodeId, cookie: Cookie) -> Result<(), ClientError> {
    let change = ShardChange::Scrap { file, cookie };
    let shard = file.shard();
    done(shard, &client.shard_change(shard, change).await?)
}

/// A background task was cancelled, which only happens when its runtime ends.
pub(super) fn shutting_down() -> ClientError {
    ClientError::Deadline {
        what: "the client, which is shutting down".to_owned(),
    }
}
