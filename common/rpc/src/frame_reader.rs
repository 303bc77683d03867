//! Takes frames from a socket: many small ones per read, large ones straight into their own memory.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use eggs_proto::{BadHeader, HEADER_BYTES, Header, PAGE_BYTES};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;
use tokio::task::coop::consume_budget;

use crate::landing::room;
use crate::low_water::{self, LOW_WATER_MAX};
use crate::scatter;

/// A hundred small frames; every open connection owns one.
const BUFFER_BYTES: usize = 16 << 10;
/// From this length on, what arrives begins at an address that is a multiple of [`PAGE_BYTES`], so that it can be written to a disk as it is.
const ALIGNED_BYTES_MIN: usize = 64 << 10;

/// Why no more frames come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The connection broke.
    #[error("connection lost: {0}")]
    Io(#[from] io::Error),
    /// What came is not a frame.
    #[error("{0}")]
    Header(#[from] BadHeader),
}

/// The reading end of a connection.
///
/// Every method may be cancelled between reads; bytes already taken stay in the buffer, except those
/// of a half-read body, after which the connection must not be used any more.
pub(crate) struct FrameReader {
    socket: OwnedReadHalf,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Bytes that have to be there before we are woken.
    low_water: usize,
}

impl FrameReader {
    pub(crate) fn new(socket: OwnedReadHalf) -> Self {
        Self {
            socket,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            low_water: 1,
        }
    }

    /// Bytes that can be taken without waiting.
    pub(crate) const fn buffered(&self) -> usize {
        self.end - self.start
    }

    /// The next header, or `None` when the peer closed between two frames.
    pub(crate) async fn header(&mut self) -> Result<Option<Header>, ReadError> {
        while self.buffered() < HEADER_BYTES {
            if self.fill().await? == 0 {
                if self.buffered() == 0 {
                    return Ok(None);
                }
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        let bytes = self.buffer[self.start..self.start + HEADER_BYTES]
            .try_into()
            .expect("the slice has the length of a header");
        let header = Header::decode(bytes)?;
        self.start += HEADER_BYTES;
        Ok(Some(header))
    }

    /// Exactly `length` bytes, in memory of about that size.
    pub(crate) async fn bytes(&mut self, length: usize) -> io::Result<Bytes> {
        if length == 0 {
            return Ok(Bytes::new());
        }
        let mut out = buffer(length);
        self.fill_up(std::slice::from_mut(&mut out), length).await?;
        Ok(out.freeze())
    }

    /// As many bytes as the parts have room for, in their order. Nothing is allocated.
    pub(crate) async fn fill_parts(&mut self, parts: &mut [BytesMut]) -> io::Result<()> {
        let missing = room(parts);
        self.fill_up(parts, missing).await
    }

    /// Adds `missing` bytes, for which there is room, to the parts.
    async fn fill_up(&mut self, parts: &mut [BytesMut], mut missing: usize) -> io::Result<()> {
        loop {
            missing -= self.take_buffered(parts, missing);
            if missing == 0 {
                return Ok(());
            }
            // A small rest is taken with what follows the frame.
            let read = if missing < BUFFER_BYTES {
                self.fill().await?
            } else {
                let read = self.receive(parts, missing).await?;
                missing -= read;
                read
            };
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Moves up to `missing` bytes from the buffer to the parts.
    fn take_buffered(&mut self, parts: &mut [BytesMut], missing: usize) -> usize {
        let (begin, end) = (self.start, self.end.min(self.start + missing));
        for part in parts {
            let ready = (part.capacity() - part.len()).min(end - self.start);
            part.extend_from_slice(&self.buffer[self.start..self.start + ready]);
            self.start += ready;
        }
        self.start - begin
    }

    /// One read past the buffer; 0 when the peer has closed. Waits until it is worth while.
    async fn receive(&mut self, parts: &mut [BytesMut], missing: usize) -> io::Result<usize> {
        loop {
            consume_budget().await;
            match scatter::receive(self.socket.as_ref(), parts, missing.min(LOW_WATER_MAX)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            self.set_low_water(missing.min(LOW_WATER_MAX));
            self.socket.readable().await?;
        }
    }

    fn set_low_water(&mut self, bytes: usize) {
        // Without it all goes on, with more interruptions; but never wait for more than comes.
        if bytes != self.low_water && low_water::set(self.socket.as_ref(), bytes).is_ok() {
            self.low_water = bytes;
        }
    }

    /// Drops exactly `length` bytes without keeping them.
    pub(crate) async fn skip(&mut self, mut length: usize) -> io::Result<()> {
        loop {
            let ready = length.min(self.buffered());
            self.start += ready;
            length -= ready;
            if length == 0 {
                return Ok(());
            }
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Drops everything until the peer closes.
    pub(crate) async fn drain(&mut self) -> io::Result<()> {
        loop {
            self.start = self.end;
            if self.fill().await? == 0 {
                return Ok(());
            }
        }
    }

    /// One read; 0 when the peer has closed.
    async fn fill(&mut self) -> io::Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        self.set_low_water(1);
        let read = self.socket.read(&mut self.buffer[self.end..]).await?;
        self.end += read;
        Ok(read)
    }
}

/// Memory for `length` bytes.
fn buffer(length: usize) -> BytesMut {
    if length < ALIGNED_BYTES_MIN {
        return BytesMut::with_capacity(length);
    }
    let mut buffer = BytesMut::with_capacity(length + PAGE_BYTES - 1);
    let address = buffer.as_ptr() as usize;
    let before = address.next_multiple_of(PAGE_BYTES) - address;
    buffer.resize(before, 0);
    buffer.advance(before);
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_buffers_begin_on_a_page_and_have_room() {
        for length in [ALIGNED_BYTES_MIN, 2 << 20, (2 << 20) + 12_345] {
            let kept: Vec<_> = (0..5).map(|_| buffer(length)).collect();
            for buffer in kept {
                assert_eq!(buffer.as_ptr() as usize % PAGE_BYTES, 0);
                assert!(buffer.is_empty() && buffer.capacity() >= length);
            }
        }
        assert!(buffer(100).capacity() < PAGE_BYTES);
    }
}
