//! Sends queued frames, as many as there are with one call of the kernel.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::AsFd as _;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, timeout};

use crate::send_queue::{OutFrame, SendQueue};
use crate::{Bulk, PayloadSource};

/// Copying this much is cheaper than one more element of a vectored write.
const COPY_BYTES_MAX: usize = 2048;
/// Elements of one vectored write.
const SLICES_MAX: usize = 64;

/// Sends until the queue is closed, then tells the peer that no more will come.
pub(crate) async fn write_frames(
    mut socket: OwnedWriteHalf,
    queue: &SendQueue,
    stall: Duration,
) -> io::Result<()> {
    let mut frames = Vec::new();
    let mut batch = Batch::default();
    while queue.take(&mut frames).await {
        let mut now = Instant::now();
        for frame in frames.drain(..) {
            if let Some(source) = batch.add(frame, now) {
                batch.send(&mut socket, stall).await?;
                send_source(&socket, source, stall).await?;
                now = Instant::now();
            }
        }
        batch.send(&mut socket, stall).await?;
        batch.places.clear();
    }
    socket.shutdown().await
}

/// Sends a payload that is not in memory.
async fn send_source(
    socket: &OwnedWriteHalf,
    mut source: Box<dyn PayloadSource>,
    stall: Duration,
) -> io::Result<()> {
    let socket = socket.as_ref();
    while source.remaining() > 0 {
        consume_budget().await;
        let sent = socket.async_io(Interest::WRITABLE, || source.send(socket.as_fd()));
        if timeout(stall, sent).await?? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    Ok(())
}

/// Bytes of some frames, in order; small parts are gathered, large ones only referred to.
#[derive(Default)]
struct Batch {
    chunks: VecDeque<Bytes>,
    small: BytesMut,
    /// Of the requests whose answers these are: given back once all are written.
    places: Vec<OwnedSemaphorePermit>,
}

impl Batch {
    /// Gathers a frame, all but a payload that is not in memory.
    fn add(&mut self, frame: OutFrame, now: Instant) -> Option<Box<dyn PayloadSource>> {
        let header = frame.header(now)?;
        self.places.extend(frame.place);
        self.small.extend_from_slice(&header.encode());
        self.add_part(&frame.body);
        match frame.payload {
            Bulk::Memory(payload) => {
                payload.parts().iter().for_each(|part| self.add_part(part));
                None
            }
            Bulk::Source(source) => Some(source),
        }
    }

    fn add_part(&mut self, part: &Bytes) {
        if part.len() <= COPY_BYTES_MAX {
            self.small.extend_from_slice(part);
        } else {
            self.seal();
            self.chunks.push_back(part.clone());
        }
    }

    fn seal(&mut self) {
        if !self.small.is_empty() {
            self.chunks.push_back(self.small.split().freeze());
        }
    }

    async fn send(&mut self, socket: &mut OwnedWriteHalf, stall: Duration) -> io::Result<()> {
        self.seal();
        while !self.chunks.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let mut used = 0;
            for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
                *slice = IoSlice::new(chunk);
                used += 1;
            }
            let written = timeout(stall, socket.write_vectored(&slices[..used])).await??;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.advance(written);
        }
        Ok(())
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(chunk) = self.chunks.front_mut() {
            if written < chunk.len() {
                chunk.advance(written);
                return;
            }
            written -= chunk.len();
            self.chunks.pop_front();
        }
    }
}
