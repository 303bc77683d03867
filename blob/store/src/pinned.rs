//! Pages of a block on their way to a socket, in pipes: they are in memory, and stay there until they are sent, so sending
//! them waits for no disk.

use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;

use eggs_proto::block::BlockRefusal;
use eggs_proto::{BlockId, Checksum};
use rustix::io::Errno;
use rustix::pipe::{SpliceFlags, splice};

use crate::access::BlockFile;
use crate::pipes::{PIPE_BYTES, Pipe, Pipes};
use crate::read::{Place, checksums};
use crate::{Disk, StoreError};

/// Pages of a block, in order.
#[derive(Debug)]
pub struct PinnedPages {
    /// What each page is expected to sum up to.
    pub checksums: Vec<Checksum>,
    pages: Held,
}

/// The pipes that hold them.
#[derive(Debug)]
struct Held {
    pipes: VecDeque<Pipe>,
    home: Pipes,
}

impl Disk {
    /// As [`Disk::read`], but the pages are not copied. `None` if there are not enough pipes, or the file system knows no
    /// such thing.
    pub fn pin(
        &self,
        block: BlockId,
        page: u32,
        pages: u32,
        pipes: &Pipes,
    ) -> Result<Option<PinnedPages>, StoreError> {
        let opened = self.open_block(block)?;
        let place = opened.place(page, pages)?;
        let Some(taken) = pipes.take(place.bytes) else {
            return Ok(None);
        };
        let mut pages = Held {
            pipes: taken.into(),
            home: pipes.clone(),
        };
        if !self.fill(&mut pages, &opened, &place)? {
            return Ok(None);
        }
        let sums = self.read_fresh(&opened, place.sums_offset, place.sums_bytes)?;
        Ok(Some(PinnedPages {
            checksums: checksums(&sums),
            pages,
        }))
    }

    /// Fills pipes; `false` if that is not possible here.
    fn fill(&self, pages: &mut Held, file: &BlockFile, place: &Place) -> Result<bool, StoreError> {
        let mut left = place.bytes;
        let mut offset = place.offset;
        for pipe in &mut pages.pipes {
            let mut room = left.min(PIPE_BYTES);
            while room > 0 {
                // Without blocking: a pipe that takes less than it should is not waited for. The disk is.
                let flags = SpliceFlags::NONBLOCK;
                let moved = splice(
                    &file.file,
                    Some(&mut offset),
                    &pipe.write,
                    None,
                    room,
                    flags,
                );
                match moved {
                    // It got shorter.
                    Ok(0) => return Err(BlockRefusal::Damaged.into()),
                    Ok(moved) => {
                        pipe.held += moved;
                        room -= moved;
                        left -= moved;
                    }
                    Err(Errno::INTR) => {}
                    Err(Errno::INVAL | Errno::AGAIN) => return Ok(false),
                    Err(error) => {
                        return Err(self.failed("read a block file", io::Error::from(error)));
                    }
                }
            }
        }
        Ok(true)
    }
}

impl PinnedPages {
    /// Bytes that were not sent yet.
    pub fn remaining(&self) -> usize {
        self.pages.pipes.iter().map(|pipe| pipe.held).sum()
    }

    /// Sends some of them to a socket that does not block; `WouldBlock` if it takes nothing now.
    pub fn send(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let more = self.pages.pipes.len() > 1;
        let Some(pipe) = self.pages.pipes.front_mut() else {
            return Ok(0);
        };
        let flags = match more {
            true => SpliceFlags::NONBLOCK | SpliceFlags::MORE,
            false => SpliceFlags::NONBLOCK,
        };
        let sent = splice(&pipe.read, None, socket, None, pipe.held, flags)?;
        pipe.held = pipe.held.saturating_sub(sent);
        if pipe.held == 0 {
            let empty = self.pages.pipes.pop_front();
            self.pages.home.give_back(empty);
        }
        Ok(sent)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.home.give_back(self.pipes.drain(..));
    }
}
