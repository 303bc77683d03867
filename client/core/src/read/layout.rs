//! The extents of one file, as far as they were needed. Bytes never change; where they are may, when a disk is
//! drained, so what is known can be forgotten.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use eggs_proto::{Cookie, Extent, InodeId};

use crate::client::Inner;
use crate::deadline::Deadline;
use crate::error::ClientError;

/// Extents remembered per open file.
const EXTENTS_MAX: usize = 4096;

#[derive(Debug)]
pub(super) struct Layout {
    file: InodeId,
    cookie: Option<Cookie>,
    known: Mutex<BTreeMap<u64, Arc<Extent>>>,
}

impl Layout {
    pub(super) fn new(file: InodeId, cookie: Option<Cookie>) -> Self {
        Self {
            file,
            cookie,
            known: Mutex::default(),
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
