//! What is being read ahead of a sequential reader: segments of the file, each a task of its own.
//!
//! **Invariant:** segments do not overlap, and each holds its share of what all readers may read ahead until the last
//! reference to its bytes goes.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;

use super::layout::Layout;
use super::readahead::{GRAIN, Readahead};
use crate::error::ClientError;

/// Bytes of one share of the memory of readers.
pub(crate) const SHARE_BYTES: u64 = 1 << 20;
/// Bytes kept behind the reader: requests made at once arrive in any order.
const BEHIND: u64 = 1 << 20;

type Outcome = Result<Bytes, ClientError>;
type Arriving = Shared<BoxFuture<'static, Outcome>>;

struct Segment {
    /// One past its last byte.
    end: u64,
    arriving: Arriving,
}

/// The segments of one open file.
#[derive(Default)]
pub(super) struct Segments(Mutex<State>);

#[derive(Default)]
struct State {
    readahead: Readahead,
    /// By their first byte.
    segments: BTreeMap<u64, Segment>,
}

/// Where segments belong.
pub(super) struct Home<'a> {
    /// Bytes of the file.
    pub(super) size: u64,
    pub(super) runtime: &'a Handle,
    /// One permit for each [`SHARE_BYTES`].
    pub(super) memory: &'a Arc<Semaphore>,
    pub(super) layout: &'a Layout,
}

impl Segments {
    /// Takes note of a read of `range`, and begins what should be on its way. `begin` makes the task that reads a range.
    /// Returns the segments of this read if all are on their way.
    pub(super) fn note<F>(
        &self,
        range: Range<u64>,
        home: &Home<'_>,
        begin: impl Fn(Range<u64>, OwnedSemaphorePermit) -> F,
    ) -> Option<Coming>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut state = self.lock();
        let Some(ahead) = state.readahead.note(range.start, range.end, home.size) else {
            state.segments.clear();
            return None;
        };
        state.forget_before(ahead.start.saturating_sub(BEHIND));
        let mut at = ahead.start / GRAIN * GRAIN;
        while let Some(gap) = state.next_gap(at, home.size) {
            let piece = state.piece(&gap, &range, ahead.end, home.layout);
            let Some((piece, share)) = piece.and_then(|piece| afford(piece, home.memory)) else {
                break;
            };
            let (start, end) = (piece.start, piece.end);
            let task = AbortOnDropHandle::new(home.runtime.spawn(begin(piece, share)));
            let arriving = task.map(|joined| joined.unwrap_or_else(|_| Err(stopped())));
            let segment = Segment {
                end,
                arriving: arriving.boxed().shared(),
            };
            state.segments.insert(start, segment);
            at = end;
        }
        state.coming(range)
    }

    /// Forgets what could not be read, so that the next read tries anew.
    pub(super) fn clear(&self) {
        self.lock().segments.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget_before(&mut self, offset: u64) {
        while let Some(first) = self.segments.first_entry()
            && first.get().end <= offset
        {
            first.remove();
        }
    }

    /// The first bytes from `at` on that are in no segment.
    fn next_gap(&self, at: u64, size: u64) -> Option<Range<u64>> {
        let covering = self.segments.range(..=at).next_back();
        let mut start = covering.map_or(at, |(_, segment)| segment.end.max(at));
        while let Some(segment) = self.segments.get(&start) {
            start = segment.end;
        }
        let next = self.segments.range(start..).next();
        let end = next.map_or(size, |(next, _)| *next);
        (start < end).then_some(start..end)
    }

    /// What to ask for next in a gap: nothing where it would be a small piece of what is only read ahead.
    fn piece(
        &self,
        gap: &Range<u64>,
        needed: &Range<u64>,
        ahead: u64,
        layout: &Layout,
    ) -> Option<Range<u64>> {
        if gap.start >= ahead {
            return None;
        }
        let piece = self.readahead.piece();
        let border = layout.end_of_extent(gap.start).unwrap_or(u64::MAX);
        let end = (gap.start / GRAIN * GRAIN).saturating_add(piece);
        let end = end.min(border).min(gap.end);
        (end <= ahead || gap.start < needed.end).then_some(gap.start..end)
    }

    fn coming(&self, range: Range<u64>) -> Option<Coming> {
        let (start, first) = self.segments.range(..=range.start).next_back()?;
        let mut parts = vec![first.arriving.clone()];
        let mut end = first.end;
        while end < range.end {
            let next = self.segments.get(&end)?;
            parts.push(next.arriving.clone());
            end = next.end;
        }
        (range.start < end).then_some(Coming {
            start: *start,
            parts,
            range,
        })
    }
}

/// As much of a piece as there is memory for.
fn afford(
    mut piece: Range<u64>,
    memory: &Arc<Semaphore>,
) -> Option<(Range<u64>, OwnedSemaphorePermit)> {
    loop {
        let shares = (piece.end - piece.start).div_ceil(SHARE_BYTES);
        let shares = u32::try_from(shares).unwrap_or(u32::MAX);
        match memory.clone().try_acquire_many_owned(shares) {
            Ok(share) => return Some((piece, share)),
            Err(_) if shares <= 1 => return None,
            Err(_) => piece.end = piece.start + u64::from(shares / 2) * SHARE_BYTES,
        }
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
