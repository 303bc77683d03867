//! Reading pages: a few that are in memory at once, all else in a thread of the disk.

use eggs_block_store::{BlockPages, Disk};
use eggs_proto::block::{BlockRefusal, BlockReply};
use eggs_proto::{BlockId, BlockServiceId, PAGE_BYTES, PAYLOAD_BYTES_MAX};
use tokio::time::{Instant, timeout_at};

use crate::BlockService;
use crate::memory::with_share;
use crate::pool::Work;
use crate::service::{Answer, Task};
use crate::shares::Share;
use crate::timing::Timed;

/// Up to so many pages are read without a thread of the disk if they are in memory: they are copied sooner than a thread
/// wakes.
const AT_ONCE_MAX: u32 = 16;

/// Pages of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub service: BlockServiceId,
    pub block: BlockId,
    pub page: u32,
    pub pages: u32,
}

impl BlockService {
    /// Reads pages.
    pub(crate) async fn read(
        &self,
        wanted: Wanted,
        deadline: Instant,
    ) -> Result<Answer, BlockRefusal> {
        let Wanted {
            service,
            block,
            page,
            pages,
        } = wanted;
        let share = self.share(service, pages, deadline).await?;
        let answer = match self.read_at_once(wanted)? {
            Some(read) => answer(read, share),
            None => {
                let run = move |disk: &Disk| Ok(answer(disk.read(block, page, pages)?, share));
                let task = Task {
                    service,
                    work: Work::Read,
                    deadline,
                    run,
                };
                self.run(task).await?
            }
        };
        let bytes = u64::from(pages) * PAGE_BYTES as u64;
        self.metrics.read.inc_by(bytes);
        Ok(answer)
    }

    /// What can be had without waiting. Never touches the disk.
    fn read_at_once(&self, wanted: Wanted) -> Result<Option<BlockPages>, BlockRefusal> {
        if wanted.pages > AT_ONCE_MAX {
            return Ok(None);
        }
        let served = self.disks.get(wanted.service);
        let served = served.ok_or(BlockRefusal::WrongService)?;
        let started = Instant::now();
        let read = served
            .disk
            .read_at_once(wanted.block, wanted.page, wanted.pages)?;
        if read.is_some() {
            served.timing.record(Timed::Read, started.elapsed());
        }
        Ok(read)
    }

    /// Waits for memory for pages.
    async fn share(
        &self,
        service: BlockServiceId,
        pages: u32,
        deadline: Instant,
    ) -> Result<Share, BlockRefusal> {
        let bytes = u64::from(pages) * PAGE_BYTES as u64;
        if bytes > u64::from(PAYLOAD_BYTES_MAX) {
            return Err(BlockRefusal::BadRange);
        }
        let served = self.disks.get(service).ok_or(BlockRefusal::WrongService)?;
        if served.pool.is_stuck(Work::Read) {
            return Err(BlockRefusal::Overloaded);
        }
        match timeout_at(deadline, self.reading.take(service, bytes)).await {
            Ok(share) => Ok(share?),
            Err(_) => Err(BlockRefusal::Overloaded),
        }
    }
}

fn answer(read: BlockPages, share: Share) -> Answer {
    let BlockPages { bytes, checksums } = read;
    (BlockReply::Pages { checksums }, with_share(bytes, share))
}
