//! Reports of damage: a reader that meets a block that is not as it should be tells the service that keeps it.
//!
//! In the background, and nobody waits for it. The service looks for itself, so a report that is wrong does no harm; one that
//! is lost is made again by the next read after a while.
//!
//! **Invariant:** of each block one report is made in [`AGAIN`], a few are under way at a time, and what is remembered is bounded:
//! a disk that rots under many readers is not asked about it by each read.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eggs_proto::block::{BlockRefusal, BlockRequest};
use eggs_proto::{BlockId, BlockServiceId, ExtentBlock, InodeId};
use tokio::sync::Semaphore;

use crate::client::Inner;
use crate::error::ClientError;
use crate::lately::Lately;

/// Pause between two reports of one block.
const AGAIN: Duration = Duration::from_secs(60);
/// The same after one that was not heard.
const RETRY: Duration = Duration::from_secs(5);
/// How long one may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Reports under way.
const IN_FLIGHT_MAX: usize = 4;

/// An extent of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) file: InodeId,
    /// First byte of the extent.
    pub(crate) offset: u64,
}

/// What was reported.
#[derive(Debug)]
pub(crate) struct Reports {
    lately: Lately<(BlockServiceId, BlockId), ()>,
    in_flight: Arc<Semaphore>,
}

impl Default for Reports {
    fn default() -> Self {
        Self {
            lately: Lately::default(),
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
        }
    }
}

/// Whether the answer to a read means that the block itself is to blame.
pub(crate) const fn blames_block(refusal: &BlockRefusal) -> bool {
    match refusal {
        BlockRefusal::NotFound
        | BlockRefusal::WasErased
        | BlockRefusal::BadRange
        | BlockRefusal::DiskFailed(_)
        | BlockRefusal::Damaged
        | BlockRefusal::Unreadable => true,
        BlockRefusal::WrongService
        | BlockRefusal::BadCertificate
        | BlockRefusal::Expired
        | BlockRefusal::BadPayload
        | BlockRefusal::NoSpace
        | BlockRefusal::Overloaded
        | BlockRefusal::Forbidden
        | BlockRefusal::Malformed => false,
    }
}

impl Inner {
    /// Has somebody look at a block of an extent soon, and heal it if need be.
    pub(crate) fn report(&self, place: Place, block: &ExtentBlock) {
        let (service, block) = (block.service, block.block);
        let known = (service, block);
        let reports = &self.reports;
        if reports.lately.of(known).is_some() {
            return;
        }
        let Ok(permit) = reports.in_flight.clone().try_acquire_owned() else {
            return; // the next read of it will
        };
        reports.lately.note(known, (), AGAIN);
        let (Some(inner), Some(())) = (self.shared(), reports.lately.of(known)) else {
            return;
        };
        let request = BlockRequest::Report {
            service,
            block,
            file: place.file,
            offset: place.offset,
        };
        self.runtime.spawn(async move {
            let _held = permit;
            let told = inner.block(service, &request, Bytes::new(), TIMEOUT).await;
            if let Err(error) = told {
                log(&error, known);
                inner.reports.lately.note(known, (), RETRY);
            }
        });
    }
}

fn log(error: &ClientError, (service, block): (BlockServiceId, BlockId)) {
    tracing::debug!(%service, %block, %error, "damage could not be reported");
}
