//! The task behind a pump: turns pieces into extents, in order.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use eggs_proto::shard::{AddExtent, ExtentProofs, NewExtent, PlacedBlock, ShardChange, ShardReply};
use eggs_proto::{BadPolicyWire, PolicySet, Refusal};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use super::avoid::{Needs, avoided, exclusions};
use super::encode::{Encoded, encode};
use super::piece::Content;
use super::pump::{Failure, Job, Piece};
use super::rope::Rope;
use super::store_blocks::store_blocks;
use super::transient::{Plan, Transient, shutting_down};
use crate::error::ClientError;
use crate::raw::shard::{done, unexpected};

/// Extents of one file being stored at the same time.
const IN_FLIGHT_MAX: usize = 2;
/// A file to which nothing happens for this long is kept alive.
const IDLE: Duration = Duration::from_secs(120);
/// From here on encoding goes to a thread of its own, in bytes.
const ENCODE_ELSEWHERE: usize = 256 << 10;

pub(super) struct Worker {
    plan: Plan,
    /// Empty until the file is made.
    transient: Arc<OnceLock<Arc<Transient>>>,
    stores: JoinSet<Result<ExtentProofs, ClientError>>,
    /// Extents that are stored and not certified yet: at most [`IN_FLIGHT_MAX`], because each further one takes a
    /// proof along when it is asked for.
    proved: VecDeque<ExtentProofs>,
    failed: Arc<Failure>,
}

impl Worker {
    pub(super) fn new(
        plan: Plan,
        transient: Arc<OnceLock<Arc<Transient>>>,
        failed: Arc<Failure>,
    ) -> Self {
        Self {
            plan,
            transient,
            stores: JoinSet::new(),
            proved: VecDeque::new(),
            failed,
        }
    }

    pub(super) async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        loop {
            match timeout(IDLE, jobs.recv()).await {
                Ok(Some(Job::Store(piece))) => {
                    if self.failed.check().is_ok()
                        && let Err(error) = self.store(piece).await
                    {
                        self.failed.set(error);
                    }
                }
                // The writer may have gone: then nobody wants to know.
                Ok(Some(Job::Drain(told))) => {
                    self.wait_for_stores(0).await;
                    let _ = told.send(self.proved.iter().cloned().collect());
                }
                Ok(Some(Job::Certify(told))) => {
                    self.wait_for_stores(0).await;
                    if self.failed.check().is_ok()
                        && let Err(error) = self.certify().await
                    {
                        self.failed.set(error);
                    }
                    let _ = told.send(());
                }
                Ok(None) => return,
                Err(_idle) => self.keep_alive().await,
            }
        }
    }

    async fn keep_alive(&self) {
        if let Some(transient) = self.transient.get()
            && let Err(error) = transient.keep_alive().await
        {
            tracing::debug!(file = %transient.file, %error, "not kept alive");
        }
    }

    async fn wait_for_stores(&mut self, at_most: usize) {
        while self.stores.len() > at_most {
            match self.stores.join_next().await {
                Some(stored) => self.stored(stored),
                None => return,
            }
        }
        while let Some(stored) = self.stores.try_join_next() {
            self.stored(stored);
        }
    }

    fn stored(&mut self, stored: Result<Result<ExtentProofs, ClientError>, JoinError>) {
        match stored {
            Ok(Ok(proofs)) => self.proved.push_back(proofs),
            Ok(Err(error)) => self.failed.set(error),
            Err(_) => self.failed.set(shutting_down()),
        }
    }

    /// Shows all proofs.
    async fn certify(&mut self) -> Result<(), ClientError> {
        while let Some(ExtentProofs { offset, proofs }) = self.proved.front().cloned() {
            let transient = self.file().await?;
            self.simple_change(ShardChange::CertifyExtent {
                file: transient.file,
                cookie: transient.cookie,
                offset,
                proofs,
            })
            .await?;
            self.proved.pop_front();
        }
        Ok(())
    }

    /// The file, made if it is not there yet.
    async fn file(&self) -> Result<Arc<Transient>, ClientError> {
        if let Some(made) = self.transient.get() {
            return Ok(made.clone());
        }
        let made = self.plan.clone().create().await?;
        Ok(self.transient.get_or_init(|| made).clone())
    }

    async fn store(&mut self, piece: Piece) -> Result<(), ClientError> {
        let offset = piece.offset;
        match piece.content {
            Content::Inline(bytes) => {
                let transient = self.file().await?;
                self.simple_change(ShardChange::AddInline {
                    file: transient.file,
                    cookie: transient.cookie,
                    offset,
                    content: bytes,
                })
                .await
            }
            Content::Hole(size) => {
                let transient = self.file().await?;
                self.simple_change(ShardChange::AddHole {
                    file: transient.file,
                    cookie: transient.cookie,
                    offset,
                    size,
                })
                .await
            }
            Content::Blocks(bytes) => {
                self.wait_for_stores(IN_FLIGHT_MAX - 1).await;
                self.failed.check()?;
                let encoded = self.encode(bytes, piece.policies).await?;
                let (transient, placed) = self.place(offset, &encoded).await?;
                self.stores
                    .spawn(async move { store_blocks(&transient, offset, encoded, placed).await });
                Ok(())
            }
        }
    }

    async fn simple_change(&self, change: ShardChange) -> Result<(), ClientError> {
        let shard = self.plan.dir.shard();
        let reply = self.plan.client.shard_change(shard, change).await?;
        done(shard, &reply)
    }

    async fn encode(&self, bytes: Rope, policies: Arc<PolicySet>) -> Result<Encoded, ClientError> {
        let chunks = self.plan.client.inner.chunks.clone();
        let encoded = if bytes.len() < ENCODE_ELSEWHERE {
            encode(&bytes, &policies, &chunks)
        } else {
            let work = tokio::task::spawn_blocking(move || encode(&bytes, &policies, &chunks));
            work.await.map_err(|_| shutting_down())?
        };
        encoded.map_err(|_| Refusal::BadPolicy(BadPolicyWire::Scheme).into())
    }

    /// Asks for places, first without the services that are to be avoided.
    async fn place(&mut self, offset: u64, encoded: &Encoded) -> Result<Places, ClientError> {
        let inner = &self.plan.client.inner;
        let needs = Needs {
            class: encoded.class,
            block_bytes: encoded.layout.block_bytes(),
            blocks: encoded.layout.scheme.blocks(),
        };
        let exclude = exclusions(&inner.map.current(), needs, &avoided(inner));
        let all_welcome = exclude.is_empty();
        let mut extent = NewExtent {
            size: encoded.size,
            class: encoded.class,
            layout: encoded.layout,
            checksums: encoded.checksums.clone(),
            exclude,
        };
        match self.place_at(offset, extent.clone()).await {
            Err(ClientError::Refused(Refusal::NoSpace { .. })) if !all_welcome => {
                extent.exclude.clear();
                self.place_at(offset, extent).await
            }
            placed => placed,
        }
    }

    /// Makes the file with its first extent, or adds one and certifies one that is stored.
    async fn place_at(&mut self, offset: u64, extent: NewExtent) -> Result<Places, ClientError> {
        let Some(transient) = self.transient.get().cloned() else {
            let (made, placed) = self.plan.clone().create_with(extent).await?;
            return Ok((self.transient.get_or_init(|| made).clone(), placed));
        };
        let certify = self.proved.front();
        let change = ShardChange::AddExtent(AddExtent {
            file: transient.file,
            cookie: transient.cookie,
            offset,
            size: extent.size,
            class: extent.class,
            layout: extent.layout,
            checksums: extent.checksums,
            exclude: extent.exclude,
            certify: certify.map(|extent| (extent.offset, extent.proofs.clone())),
        });
        let shard = transient.file.shard();
        let reply = transient.client.shard_change(shard, change).await?;
        let ShardReply::Placed(placed) = reply else {
            return Err(unexpected(shard));
        };
        self.proved.pop_front();
        Ok((transient, placed))
    }
}

/// A file, and where the blocks of one of its extents go.
type Places = (Arc<Transient>, Vec<PlacedBlock>);
