//! The writer's end of the task that stores the pieces of one file.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use eggs_proto::PolicySet;
use eggs_proto::shard::ExtentProofs;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::piece::Content;
use super::transient::{Plan, Transient, shutting_down};
use super::worker::Worker;
use crate::error::ClientError;

/// Pieces waiting.
const WAITING_MAX: usize = 1;

/// A piece of the file.
pub(super) struct Piece {
    pub(super) offset: u64,
    pub(super) content: Content,
    pub(super) policies: Arc<PolicySet>,
}

pub(super) enum Job {
    Store(Piece),
    /// Tell when everything before is stored, with the proofs that the shard has not seen yet.
    Drain(oneshot::Sender<Vec<ExtentProofs>>),
    /// Tell when everything before is stored and certified.
    Certify(oneshot::Sender<()>),
}

/// The writer's end. Dropping it stops the task.
pub(super) struct Pump {
    /// Empty until the file is made.
    transient: Arc<OnceLock<Arc<Transient>>>,
    jobs: mpsc::Sender<Job>,
    failed: Arc<Failure>,
    _task: AbortOnDropHandle<()>,
}

/// The first thing that went wrong: nothing can be added to the file after it.
#[derive(Default)]
pub(super) struct Failure(Mutex<Option<ClientError>>);

impl Pump {
    /// Starts the task. Without a file, it makes one with the first piece.
    pub(super) fn start(plan: Plan, made: Option<Arc<Transient>>) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let failed = Arc::new(Failure::default());
        let transient: Arc<OnceLock<_>> = Arc::default();
        if let Some(made) = made {
            let _ = transient.set(made); // it is new
        }
        let runtime = plan.client.inner.runtime.clone();
        let worker = Worker::new(plan, transient.clone(), failed.clone());
        let task = runtime.spawn(worker.run(receiver));
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

    /// Waits until everything pushed is stored. The proofs are to be shown to the shard; they are given again until
    /// it has seen them.
    pub(super) async fn drain(&self) -> Result<Vec<ExtentProofs>, ClientError> {
        let (sender, receiver) = oneshot::channel();
        let sent = self.jobs.send(Job::Drain(sender)).await;
        sent.map_err(|_| shutting_down())?;
        let proofs = receiver.await.map_err(|_| shutting_down())?;
        self.failed.check()?;
        Ok(proofs)
    }

    /// Waits until everything pushed is stored and certified, so that it can be read.
    pub(super) async fn certify(&self) -> Result<(), ClientError> {
        let (sender, receiver) = oneshot::channel();
        let sent = self.jobs.send(Job::Certify(sender)).await;
        sent.map_err(|_| shutting_down())?;
        receiver.await.map_err(|_| shutting_down())?;
        self.failed.check()
    }

    /// The file, which is there at the latest when something was stored.
    pub(super) async fn transient(&self) -> Result<&Arc<Transient>, ClientError> {
        if self.transient.get().is_none() {
            self.drain().await?;
        }
        self.transient.get().ok_or_else(shutting_down)
    }

    /// The file is linked.
    pub(super) fn settle(&self) {
        if let Some(transient) = self.transient.get() {
            transient.settle();
        }
    }

    /// Stops the task; gives the file, if there is one.
    pub(super) fn stop(self) -> Option<Arc<Transient>> {
        self.transient.get().cloned()
    }
}

impl Failure {
    pub(super) fn check(&self) -> Result<(), ClientError> {
        let failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failed.clone().map_or(Ok(()), Err)
    }

    pub(super) fn set(&self, error: ClientError) {
        let mut failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get_or_insert(error);
    }
}
