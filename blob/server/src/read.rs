//! Reading pages: a few that are in memory at once, all else in a thread of the disk, which copies nothing: it has pipes
//! hold the pages of the page cache until the socket has taken them.
//!
//! Waiting for the disk and sending are apart: the thread of the network, which all disks share, sends only what is in
//! memory.

use std::io;
use std::os::fd::BorrowedFd;

use eggs_block_store::{BlockPages, Disk, PinnedPages};
use eggs_proto::block::{BlockRefusal, BlockReply};
use eggs_proto::{BlockId, BlockServiceId, PAGE_BYTES, PAYLOAD_BYTES_MAX};
use eggs_rpc::{Bulk, PayloadSource};
use tokio::time::{Instant, timeout_at};

use crate::BlockService;
use crate::memory::with_share;
use crate::pool::Work;
use crate::service::{Answered, Task};
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
    ) -> Result<Answered, BlockRefusal> {
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
                let pipes = self.pipes.clone();
                let run = move |disk: &Disk| {
                    Ok(match disk.pin(block, page, pages, &pipes)? {
                        Some(pinned) => sent_from_pipes(pinned, share),
                        None => answer(disk.read(block, page, pages)?, share),
                    })
                };
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

fn answer(read: BlockPages, share: Share) -> Answered {
    let BlockPages { bytes, checksums } = read;
    let payload = with_share(bytes, share).into();
    (BlockReply::Pages { checksums }, payload)
}

/// Pages in pipes, with their share of the memory.
struct Pinned {
    pages: PinnedPages,
    _share: Share,
}

impl PayloadSource for Pinned {
    fn remaining(&self) -> usize {
        self.pages.remaining()
    }

    fn send(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.pages.send(socket)
    }
}

fn sent_from_pipes(mut pages: PinnedPages, share: Share) -> Answered {
    let checksums = std::mem::take(&mut pages.checksums);
    let pinned = Pinned {
        pages,
        _share: share,
    };
    let payload = Bulk::Source(Box::new(pinned));
    (BlockReply::Pages { checksums }, payload)
}
