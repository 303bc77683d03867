//! Sending a checkpoint to a follower that is too far behind, and receiving one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eggs_machine::Fault;
use eggs_proto::{GroupId, NodeId};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::wire::{self, Answer, CheckpointEnd, CheckpointPart, Question};
use crate::state::{Checkpoint, ChunkWriter, GroupView, StateDb};
use crate::types::{Raft, Snapshot, SnapshotMeta, TypeConfig, Vote};
use crate::{Transport, TransportError};

/// How long one chunk may take.
const CHUNK_PATIENCE: Duration = Duration::from_secs(10);
/// How long installing may take.
const INSTALL_PATIENCE: Duration = Duration::from_secs(110);

/// Why a checkpoint did not arrive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error("the receiver does not go on")]
    Refused,
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Where to.
pub(crate) struct Destination {
    pub(crate) group: GroupId,
    pub(crate) peer: NodeId,
    pub(crate) transport: Arc<dyn Transport>,
}

/// Sends the newest state of a group, chunk by chunk.
pub(crate) async fn send(
    to: &Destination,
    state: Arc<StateDb>,
    vote: Vote,
) -> Result<openraft::raft::SnapshotResponse<TypeConfig>, SendError> {
    let (meta_sender, meta) = oneshot::channel();
    let (chunk_sender, mut chunks) = mpsc::channel::<Bytes>(2);
    let group = to.group;
    let reading = tokio::task::spawn_blocking(move || {
        let view = GroupView::moment(&state, group);
        let applied = view.applied()?;
        let _ = meta_sender.send(applied); // the receiver waits below
        state.stream(&view, &mut |chunk| {
            chunk_sender.blocking_send(chunk).is_ok()
        })
    });
    let transfer = rand::random();
    let mut sequence = 0;
    while let Some(chunk) = chunks.recv().await {
        let part = CheckpointPart {
            transfer,
            sequence,
            finish: None,
        };
        match ask(to, part, chunk, CHUNK_PATIENCE).await? {
            Answer::CheckpointNext => sequence += 1,
            _ => return Err(SendError::Refused),
        }
    }
    let read = reading
        .await
        .map_err(|cause| Fault::Store(cause.to_string()))?;
    read?;
    let applied = meta
        .await
        .map_err(|_| Fault::Store("the reader stopped".into()))?;
    let meta = SnapshotMeta {
        last_log_id: applied.last,
        last_membership: applied.members,
    };
    let part = CheckpointPart {
        transfer,
        sequence,
        finish: Some(CheckpointEnd { vote, meta }),
    };
    match ask(to, part, Bytes::new(), INSTALL_PATIENCE).await? {
        Answer::CheckpointDone(response) => Ok(response),
        _ => Err(SendError::Refused),
    }
}

async fn ask(
    to: &Destination,
    part: CheckpointPart,
    chunk: Bytes,
    patience: Duration,
) -> Result<Answer, SendError> {
    let question = Question::Checkpoint(part).encode();
    let body = wire::encode_questions(to.peer, [(to.group, &question)].into_iter());
    let (body, _) = to.transport.send(to.peer, body, chunk, patience).await?;
    let mut answers = wire::decode_answers(&body)
        .map_err(|bad| TransportError::Unreachable(to.peer, bad.to_string()))?;
    answers.pop().ok_or(SendError::Refused)
}

struct Incoming {
    transfer: u64,
    next: u32,
    file: ChunkWriter,
}

/// Receives checkpoints of one group, one at a time.
pub(crate) struct Receiver {
    group: GroupId,
    staging: PathBuf,
    incoming: Mutex<Option<Incoming>>,
}

impl Receiver {
    pub(crate) fn new(group: GroupId, state: &StateDb) -> Self {
        Self {
            group,
            staging: state.staging.clone(),
            incoming: Mutex::new(None),
        }
    }

    /// Takes one part; the last one installs the checkpoint.
    pub(crate) async fn take(&self, raft: &Raft, part: CheckpointPart, chunk: &[u8]) -> Answer {
        let mut slot = self.incoming.lock().await;
        if part.sequence == 0 {
            // A new attempt ends whatever was before it.
            let path = self.staging.join(format!("{}", self.group.0));
            *slot = ChunkWriter::create(path).ok().map(|file| Incoming {
                transfer: part.transfer,
                next: 0,
                file,
            });
        }
        let expected = slot
            .as_ref()
            .is_some_and(|i| i.transfer == part.transfer && i.next == part.sequence);
        let Some(mut incoming) = slot.take().filter(|_| expected) else {
            return Answer::CheckpointRestart;
        };
        if let Err(cause) = incoming.file.push(chunk) {
            tracing::warn!(group = %self.group, %cause, "a checkpoint cannot be staged");
            return Answer::CheckpointRestart;
        }
        incoming.next += 1;
        match part.finish {
            None => {
                *slot = Some(incoming);
                Answer::CheckpointNext
            }
            // The slot stays locked: the file must not be written again before it is installed.
            Some(end) => install(raft, incoming.file, end).await,
        }
    }
}

async fn install(raft: &Raft, file: ChunkWriter, end: CheckpointEnd) -> Answer {
    let staged = match tokio::task::spawn_blocking(move || file.finish()).await {
        Ok(Ok(staged)) => staged,
        Ok(Err(_)) | Err(_) => return Answer::CheckpointRestart,
    };
    let snapshot = Snapshot {
        meta: end.meta,
        snapshot: Checkpoint::Staged(staged),
    };
    match raft.install_full_snapshot(end.vote, snapshot).await {
        Ok(response) => Answer::CheckpointDone(response),
        Err(_) => Answer::Stopped,
    }
}
