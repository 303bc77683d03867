//! The task that stores the pieces of one file.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use eggs_proto::shard::{AddExtent, PlacedBlock, ShardChange, ShardReply};
use eggs_proto::{BadPolicyWire, PolicySet, Refusal};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::encode::{Encoded, encode};
use super::piece::Content;
use super::store_blocks::store_blocks;
use super::transient::{Transient, shutting_down};
use crate::error::ClientError;
use crate::raw::shard::{done, unexpected};

/// Extents of one file being stored at the same time.
const IN_FLIGHT_MAX: usize = 2;
/// Pieces waiting besides.
const WAITING_MAX: usize = 1;
/// A file to which nothing happens for this long is kept alive.
const IDLE: Duration = Duration::from_secs(120);
/// From here on encoding goes to a thread of its own, in bytes.
const ENCODE_ELSEWHERE: usize = 256 << 10;

/// A piece of the file.
pub(super) struct Piece {
    pub(super) offset: u64,
    pub(super) content: Content,
    pub(super) policies: Arc<PolicySet>,
    /// Memory it occupies, given back when it is stored.
    pub(super) memory: Option<OwnedSemaphorePermit>,
}

enum Job {
    Store(Piece),
    /// Tell when everything before is stored.
    Drain(oneshot::Sender<()>),
}

/// The writer's end. Dropping it stops the task.
pub(super) struct Pump {
    pub(super) transient: Arc<Transient>,
    jobs: mpsc::Sender<Job>,
    failed: Arc<Failure>,
    _task: AbortOnDropHandle<()>,
}

/// The first thing that went wrong: nothing can be added to the file after it.
#[derive(Default)]
struct Failure(Mutex<Option<ClientError>>);

impl Pump {
    pub(super) fn start(transient: Arc<Transient>) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let failed = Arc::new(Failure::default());
        let worker = Worker {
            transient: transient.clone(),
            stores: JoinSet::new(),
            failed: failed.clone(),
        };
        let task = transient.client.inner.runtime.spawn(worker.run(receiver));
        Self {
            transient,
            jobs: sender,
            failed,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Waits for a free place, then takes the piece that `make` gives.
    pub(super) async fn push(&self, make: impl FnOnce() -> Piece) -> Result<(), ClientError> {
        self.failed.check()?;
        let place = self.jobs.reserve().await.map_err(|_| shutting_down())?;
        place.send(Job::Store(make()));
        Ok(())
    }

    /// Waits until everything pushed is stored.
    pub(super) async fn drain(&self) -> Result<(), ClientError> {
        let (sender, receiver) = oneshot::channel();
        let sent = self.jobs.send(Job::Drain(sender)).await;
        sent.map_err(|_| shutting_down())?;
        receiver.await.map_err(|_| shutting_down())?;
        self.failed.check()
    }
}

impl Failure {
    fn check(&self) -> Result<(), ClientError> {
        let failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failed.clone().map_or(Ok(()), Err)
    }

    fn set(&self, error: ClientError) {
        let mut failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get_or_insert(error);
    }
}

struct Worker {
    transient: Arc<Transient>,
    stores: JoinSet<Result<(), ClientError>>,
    failed: Arc<Failure>,
}

impl Worker {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        loop {
            match timeout(IDLE, jobs.recv()).await {
                Ok(Some(Job::Store(piece))) => {
                    if self.failed.check().is_ok()
                        && let Err(error) = self.store(piece).await
                    {
                        self.failed.set(error);
                    }
                }
                Ok(Some(Job::Drain(told))) => {
                    self.wait_for_stores(0).await;
                    // The writer may have gone: then nobody wants to know.
                    let _ = told.send(());
                }
                Ok(None) => return,
                Err(_idle) => {
                    if let Err(error) = self.transient.keep_alive().await {
                        tracing::debug!(file = %self.transient.file, %error, "not kept alive");
                    }
                }
            }
        }
    }

    async fn wait_for_stores(&mut self, at_most: usize) {
        while self.stores.len() > at_most {
            match self.stores.join_next().await {
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => self.failed.set(error),
                Some(Err(_)) => self.failed.set(shutting_down()),
                None => return,
            }
        }
    }

    async fn store(&mut self, piece: Piece) -> Result<(), ClientError> {
        let (file, cookie) = (self.transient.file, self.transient.cookie);
        let offset = piece.offset;
        match piece.content {
            Content::Inline(bytes) => {
                let content = bytes.to_vec();
                let change = ShardChange::AddInline {
                    file,
                    cookie,
                    offset,
                    content,
                };
                self.simple_change(change).await
            }
            Content::Hole(size) => {
                let change = ShardChange::AddHole {
                    file,
                    cookie,
                    offset,
                    size,
                };
                self.simple_change(change).await
            }
            Content::Blocks(bytes) => {
                self.wait_for_stores(IN_FLIGHT_MAX - 1).await;
                self.failed.check()?;
                let encoded = Self::encode(bytes, piece.policies).await?;
                let placed = self.place(offset, &encoded).await?;
                let transient = self.transient.clone();
                let memory = piece.memory;
                self.stores.spawn(async move {
                    let stored = store_blocks(&transient, offset, encoded, placed).await;
                    drop(memory);
                    stored
                });
                Ok(())
            }
        }
    }

    async fn simple_change(&self, change: ShardChange) -> Result<(), ClientError> {
        let shard = self.transient.file.shard();
        let reply = self.transient.client.shard_change(shard, change).await?;
        done(shard, &reply)
    }

    async fn encode(bytes: Bytes, policies: Arc<PolicySet>) -> Result<Encoded, ClientError> {
        let encoded = if bytes.len() < ENCODE_ELSEWHERE {
            encode(bytes, &policies)
        } else {
            let work = tokio::task::spawn_blocking(move || encode(bytes, &policies));
            work.await.map_err(|_| shutting_down())?
        };
        encoded.map_err(|_| Refusal::BadPolicy(BadPolicyWire::Scheme).into())
    }

    /// Asks for places, first without the services that failed lately.
    async fn place(&self, offset: u64, encoded: &Encoded) -> Result<Vec<PlacedBlock>, ClientError> {
        let exclude = self.transient.client.inner.suspects.failed();
        let all_welcome = exclude.is_empty();
        let mut request = AddExtent {
            file: self.transient.file,
            cookie: self.transient.cookie,
            offset,
            size: encoded.size,
            class: encoded.class,
            layout: encoded.layout,
            checksums: encoded.checksums.clone(),
            exclude,
            certify: None,
        };
        match self.add_extent(request.clone()).await {
            Err(ClientError::Refused(Refusal::NoSpace { .. })) if !all_welcome => {
                request.exclude.clear();
                self.add_extent(request).await
            }
            placed => placed,
        }
    }

    async fn add_extent(&self, request: AddExtent) -> Result<Vec<PlacedBlock>, ClientError> {
        let shard = self.transient.file.shard();
        let change = ShardChange::AddExtent(request);
        let reply = self.transient.client.shard_change(shard, change).await?;
        let ShardReply::Placed(placed) = reply else {
            return Err(unexpected(shard));
        };
        Ok(placed)
    }
}
