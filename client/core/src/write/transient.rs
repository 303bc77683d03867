//! A transient file that somebody is responsible for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eggs_proto::shard::{ShardChange, ShardReply};
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

impl Transient {
    /// Makes one. If the caller goes away meanwhile, it is scrapped as soon as it is there.
    pub(super) async fn create(
        client: &Client,
        dir: InodeId,
        attributes: NewAttributes,
        note: String,
    ) -> Result<Arc<Self>, ClientError> {
        let maker = client.clone();
        let making = client.inner.runtime.spawn(async move {
            let change = ShardChange::CreateTransient {
                dir,
                attributes,
                note,
            };
            let reply = maker.shard_change(dir.shard(), change).await?;
            let ShardReply::Transient { file, cookie } = reply else {
                return Err(unexpected(dir.shard()));
            };
            Ok(Arc::new(Self {
                client: maker,
                file,
                cookie,
                settled: AtomicBool::new(false),
            }))
        });
        making.await.unwrap_or_else(|_| Err(shutting_down()))
    }

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
