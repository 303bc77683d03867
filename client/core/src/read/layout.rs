//! The extents of one file, as far as they were needed. Bytes never change; where they are may, when a disk is
//! drained or a block is made again elsewhere, so what is known can be forgotten, or asked for again.
//!
//! **Invariant:** what is known is asked for again at most once in [`LOOK_PAUSE`], and counts until there is an answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eggs_proto::{Cookie, Extent, InodeId};
use tokio::time::Instant;

use crate::client::Inner;
use crate::deadline::Deadline;
use crate::error::ClientError;

/// Extents remembered per open file.
const EXTENTS_MAX: usize = 4096;
/// Between two questions about where blocks are by now. Healing what a reader has met takes about as long.
const LOOK_PAUSE: Duration = Duration::from_secs(10);
/// How long such a question may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Layout {
    file: InodeId,
    cookie: Option<Cookie>,
    known: Mutex<BTreeMap<u64, Arc<Extent>>>,
    looked: Mutex<Option<Instant>>,
}

impl Layout {
    pub(super) fn new(file: InodeId, cookie: Option<Cookie>) -> Self {
        Self {
            file,
            cookie,
            known: Mutex::default(),
            looked: Mutex::default(),
        }
    }

    pub(super) fn remember(&self, extents: Vec<Extent>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() + extents.len() > EXTENTS_MAX {
            known.clear();
        }
        known.extend(
            extents
                .into_iter()
                .map(|extent| (extent.offset, Arc::new(extent))),
        );
    }

    /// Forgets where the extent at `offset` is.
    pub(super) fn forget(&self, offset: u64) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(&offset);
    }

    /// A block of the extent at `offset` is not where it was: asks in the background where it and those behind it are by now, unless
    /// that was asked a short time ago.
    pub(super) fn look_again(self: &Arc<Self>, inner: &Inner, offset: u64) {
        if !self.look_is_due(Instant::now()) {
            return;
        }
        let Some(inner) = inner.shared() else {
            return;
        };
        let layout = self.clone();
        inner.runtime.clone().spawn(async move {
            let (file, cookie) = (layout.file, layout.cookie);
            let deadline = Deadline::after(LOOK_TIMEOUT);
            match inner.extents(file, cookie, offset, deadline).await {
                Ok(page) => layout.remember(page.extents),
                Err(error) => tracing::debug!(%file, %error, "no new layout"),
            }
        });
    }

    fn look_is_due(&self, now: Instant) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = looked.is_none_or(|at| now >= at + LOOK_PAUSE);
        if due {
            *looked = Some(now);
        }
        due
    }

    /// The extent that holds byte `offset`, which must be within the file.
    pub(super) async fn extent(
        &self,
        inner: &Inner,
        offset: u64,
        deadline: Deadline,
    ) -> Result<Arc<Extent>, ClientError> {
        if let Some(known) = self.find(offset) {
            return Ok(known);
        }
        let page = inner
            .extents(self.file, self.cookie, offset, deadline)
            .await?;
        self.remember(page.extents);
        self.find(offset).ok_or(ClientError::Damaged {
            file: self.file,
            offset,
        })
    }

    /// Where the extent ends that holds byte `offset`, if it is known.
    pub(super) fn end_of_extent(&self, offset: u64) -> Option<u64> {
        Some(self.find(offset)?.end())
    }

    fn find(&self, offset: u64) -> Option<Arc<Extent>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, extent) = known.range(..=offset).next_back()?;
        (offset < extent.end()).then(|| extent.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_reads_that_fail_look_once_in_a_while() {
        let layout = Layout::new(InodeId::ROOT, None);
        let began = Instant::now();
        let tenth = Duration::from_millis(100);
        let looks = (0..301).filter(|n| layout.look_is_due(began + tenth * *n));
        assert_eq!(looks.collect::<Vec<_>>(), [0, 100, 200, 300]);
    }
}
