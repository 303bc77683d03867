//! Frames on their way to the writer of a connection.
//!
//! **Invariant:** a frame is either in the queue, and can be withdrawn as if it had never been asked
//! for, or it was taken by the writer and counts as sent.
//!
//! The queue has no limit of its own: each frame holds a place among its connection's requests in
//! flight, and those are limited.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use eggs_proto::{Direction, Header, MessageKind};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::Instant;

use crate::Bulk;

/// The writer takes about this much at a time, so that places are given back as replies leave.
const BATCH_BYTES: usize = 1 << 20;

/// A frame to be sent.
pub(crate) struct OutFrame {
    pub(crate) direction: Direction,
    pub(crate) kind: MessageKind,
    pub(crate) request: u64,
    /// After this nobody waits: the frame is not sent any more.
    pub(crate) deadline: Instant,
    pub(crate) body: Bytes,
    pub(crate) payload: Bulk,
    /// Given back once the frame was written.
    pub(crate) place: Option<OwnedSemaphorePermit>,
}

impl OutFrame {
    pub(crate) fn len(&self) -> usize {
        self.body.len() + self.payload.len()
    }

    /// The header as of `now`, or `None` if the deadline has passed.
    pub(crate) fn header(&self, now: Instant) -> Option<Header> {
        let left = self.deadline.checked_duration_since(now)?;
        let deadline_ms = match self.direction {
            Direction::Request => u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1),
            Direction::Answer => 0,
        };
        let length = |bytes: usize| {
            u32::try_from(bytes).expect("lengths are checked before a frame is queued")
        };
        Some(Header {
            direction: self.direction,
            kind: self.kind,
            request: self.request,
            deadline_ms,
            body_bytes: length(self.body.len()),
            payload_bytes: length(self.payload.len()),
        })
    }
}

#[derive(Default)]
struct State {
    frames: VecDeque<OutFrame>,
    closed: bool,
}

/// The queue of one connection.
#[derive(Default)]
pub(crate) struct SendQueue {
    state: Mutex<State>,
    wake: Notify,
}

/// The connection is closed; the frame was not and will not be sent.
pub(crate) struct QueueClosed;

impl SendQueue {
    /// Queues a frame.
    pub(crate) fn push(&self, frame: OutFrame) -> Result<(), QueueClosed> {
        let mut state = self.lock();
        if state.closed {
            return Err(QueueClosed);
        }
        let was_empty = state.frames.is_empty();
        state.frames.push_back(frame);
        drop(state);
        if was_empty {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Removes a frame that the writer has not taken yet; false if it was taken.
    pub(crate) fn withdraw(&self, request: u64) -> bool {
        let mut state = self.lock();
        let at = state.frames.iter().position(|f| f.request == request);
        at.is_some_and(|at| state.frames.remove(at).is_some())
    }

    /// Takes what is queued; false once the queue is closed.
    pub(crate) async fn take(&self, into: &mut Vec<OutFrame>) -> bool {
        loop {
            {
                let mut state = self.lock();
                let mut bytes = 0;
                while bytes < BATCH_BYTES
                    && let Some(frame) = state.frames.pop_front()
                {
                    bytes += frame.len();
                    into.push(frame);
                }
                if !into.is_empty() {
                    return true;
                }
                if state.closed {
                    return false;
                }
            }
            self.wake.notified().await;
            // Let whoever else is about to queue a frame do so: it will leave in the same write.
            tokio::task::yield_now().await;
        }
    }

    /// Refuses more frames and returns the requests that were never taken.
    pub(crate) fn close(&self) -> Vec<u64> {
        let mut state = self.lock();
        state.closed = true;
        let unsent = state.frames.drain(..).map(|f| f.request).collect();
        drop(state);
        self.wake.notify_one();
        unsent
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave the queue half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
