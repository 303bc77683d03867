//! What is being read ahead of a sequential reader: segments of the file, each a task of its own.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;

use super::readahead::Readahead;
use crate::error::ClientError;

/// Bytes of a segment.
pub(crate) const SEGMENT_BYTES: u64 = 1 << 20;
/// Segments kept behind the reader: requests made at once arrive in any order.
const BEHIND: u64 = 1;

type Outcome = Result<Bytes, ClientError>;
type Arriving = Shared<BoxFuture<'static, Outcome>>;

struct Segment {
    arriving: Arriving,
    _memory: OwnedSemaphorePermit,
}

/// The segments of one open file.
#[derive(Default)]
pub(super) struct Segments(Mutex<State>);

#[derive(Default)]
struct State {
    readahead: Readahead,
    /// By number.
    segments: BTreeMap<u64, Segment>,
}

impl Segments {
    /// Takes note of a read of `range` of a file of `size` bytes, and begins what should be on its way.
    /// `begin` makes the task that reads a range. Returns the segments of this read if all are on their way.
    pub(super) fn note<F>(
        &self,
        range: Range<u64>,
        size: u64,
        place: (&Handle, &Arc<Semaphore>),
        begin: impl Fn(Range<u64>) -> F,
    ) -> Option<Coming>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(ahead) = state.readahead.note(range.start, range.end, size) else {
            state.segments.clear();
            return None;
        };
        let first = ahead.start / SEGMENT_BYTES;
        state.segments = state.segments.split_off(&first.saturating_sub(BEHIND));
        let (runtime, memory) = place;
        for number in first..ahead.end.div_ceil(SEGMENT_BYTES) {
            if state.segments.contains_key(&number) {
                continue;
            }
            let Ok(memory) = memory.clone().try_acquire_owned() else {
                break;
            };
            let start = number * SEGMENT_BYTES;
            let task = runtime.spawn(begin(start..(start + SEGMENT_BYTES).min(size)));
            let task = AbortOnDropHandle::new(task);
            let arriving = task.map(|joined| joined.unwrap_or_else(|_| Err(stopped())));
            let segment = Segment {
                arriving: arriving.boxed().shared(),
                _memory: memory,
            };
            state.segments.insert(number, segment);
        }
        state.coming(range)
    }

    /// Forgets a segment that could not be read, so that the next read tries anew.
    pub(super) fn clear(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.segments.clear();
    }
}

impl State {
    fn coming(&self, range: Range<u64>) -> Option<Coming> {
        let numbers = range.start / SEGMENT_BYTES..range.end.div_ceil(SEGMENT_BYTES);
        let parts: Option<Vec<Arriving>> = numbers
            .clone()
            .map(|number| Some(self.segments.get(&number)?.arriving.clone()))
            .collect();
        Some(Coming {
            start: numbers.start * SEGMENT_BYTES,
            parts: parts?,
            range,
        })
    }
}

/// The segments that hold a range.
pub(super) struct Coming {
    /// Where the first one begins.
    start: u64,
    parts: Vec<Arriving>,
    range: Range<u64>,
}

impl Coming {
    /// Waits for the bytes of the range.
    pub(super) async fn bytes(self) -> Outcome {
        let skip = (self.range.start - self.start) as usize;
        let len = (self.range.end - self.range.start) as usize;
        if let [only] = &self.parts[..] {
            let segment = only.clone().await?;
            return Ok(segment.slice(skip..(skip + len).min(segment.len())));
        }
        let mut whole = BytesMut::with_capacity(len);
        let mut skip = skip;
        for part in self.parts {
            let segment = part.await?;
            let left = len - whole.len();
            let end = (skip + left).min(segment.len());
            whole.extend_from_slice(&segment[skip.min(end)..end]);
            skip = 0;
        }
        Ok(whole.freeze())
    }
}

fn stopped() -> ClientError {
    ClientError::Deadline {
        what: "the client, which is shutting down".to_owned(),
    }
}
