//! Commit notices that travel with something else.
//!
//! A follower learns that an entry is committed from whatever its leader says next. openraft sends a message of its own for
//! it at once; with hundreds of groups that is every second message. Here it is held back until the next entries or the next
//! heartbeat carry it, and sent by itself only if neither comes, or if a follower wants to read what is committed.
//!
//! **Invariant:** a notice that is held claims nothing: no answer is invented for it, so it renews no lease.
//! **Invariant:** no notice is lost: it, or one of a later entry, reaches the follower or the leadership ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::stream::{BoxStream, Fuse};
use futures::{Stream, StreamExt};
use openraft::raft::AppendEntriesRequest;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::types::TypeConfig;

type Request = AppendEntriesRequest<TypeConfig>;

/// How far one group's followers have to know what is committed.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    /// One more than the highest index that a follower waits for.
    wanted: AtomicU64,
    want: Notify,
}

impl Notices {
    /// Somebody waits until a follower has applied this entry.
    pub(crate) fn want(&self, index: u64) {
        let end = index.saturating_add(1);
        if self.wanted.fetch_max(end, Ordering::SeqCst) < end {
            self.want.notify_waiters();
        }
    }
}

/// How far one follower was told what is committed, by heartbeats as well: one more than the index.
#[derive(Debug, Default)]
pub(super) struct Told(AtomicU64);

impl Told {
    /// The follower has accepted a message that said so.
    pub(super) fn tell(&self, end: u64) {
        self.0.fetch_max(end, Ordering::SeqCst);
    }

    fn end(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// One more than the index of the last entry that the message says is committed.
pub(super) fn committed_end(request: &Request) -> u64 {
    let index = request.leader_commit.as_ref().map(|id| id.index());
    index.map_or(0, |index| index.saturating_add(1))
}

/// Messages to one follower, on their way.
pub(super) struct Holder {
    pub(super) notices: Arc<Notices>,
    pub(super) told: Arc<Told>,
    /// For how long a notice is held if nothing carries it: longer than until the next heartbeat.
    pub(super) patience: Duration,
}

impl Holder {
    /// The same messages without the notices that something else has carried.
    pub(super) fn hold<S>(self, input: S) -> BoxStream<'static, Request>
    where
        S: Stream<Item = Request> + Send + Unpin + 'static,
    {
        let begun = (self, input.fuse(), Place::First);
        let held = futures::stream::unfold(begun, async |(holder, mut input, place)| {
            let request = match place {
                // What opens a stream is a probe or a heartbeat: its answer counts.
                Place::First => input.next().await?,
                Place::Later => holder.next(&mut input).await?,
            };
            Some((request, (holder, input, Place::Later)))
        });
        Box::pin(held)
    }

    /// The next message that is worth sending.
    async fn next<S>(&self, input: &mut Fuse<S>) -> Option<Request>
    where
        S: Stream<Item = Request> + Unpin,
    {
        let mut request = input.next().await?;
        let mut until = Instant::now() + self.patience;
        while request.entries.is_empty() {
            let want = self.notices.want.notified();
            tokio::pin!(want);
            // From here on nobody is missed who begins to wait.
            want.as_mut().enable();
            if self.is_waited_for(&request) {
                break;
            }
            tokio::select! {
                biased;
                next = input.next() => match next {
                    Some(next) => request = next,
                    None => break, // said once more before the end
                },
                () = want => {}
                () = tokio::time::sleep_until(until) => {
                    if self.told.end() < committed_end(&request) {
                        break;
                    }
                    // A heartbeat has said it.
                    request = input.next().await?;
                    until = Instant::now() + self.patience;
                }
            }
        }
        Some(request)
    }

    /// Whether a follower waits for more than it was told. A notice that is behind what is waited for is followed by another.
    fn is_waited_for(&self, request: &Request) -> bool {
        let wanted = self.notices.wanted.load(Ordering::SeqCst);
        let told = self.told.end();
        told < wanted && told < committed_end(request)
    }
}

#[derive(Clone, Copy)]
enum Place {
    First,
    Later,
}
