//! One open connection of a server: a reader, a writer, and a task for each request that is not answered at once.
//!
//! **Invariant:** a request holds its place from before its header is read until its reply was
//! written, and its share of the server's memory until its handler is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use eggs_proto::{
    BODY_BYTES_MAX, BadHeader, DEADLINE_MS_MAX, Direction, Header, MessageKind, PAYLOAD_BYTES_MAX,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::pace::Pace;
use super::{Greeted, Shared};
use crate::frame_reader::{FrameReader, ReadError};
use crate::limits::ms;
use crate::send_queue::{OutFrame, SendQueue};
use crate::writer::write_frames;
use crate::{Answer, Bulk, Handler, Peer, Request};

/// How long a peer has to notice that we said goodbye.
pub(super) const GOODBYE: Duration = Duration::from_secs(1);

struct Connection<H> {
    shared: Arc<Shared<H>>,
    peer: Peer,
    queue: SendQueue,
    /// Places for requests in flight.
    places: Arc<Semaphore>,
    places_total: u32,
    requests: AtomicU64,
    /// Ends the reader: the server stops, or the connection is broken.
    stop: CancellationToken,
}

/// Why the reader ended.
enum Ended {
    /// The peer left, or must be got rid of.
    Broken,
    /// The server stops, or nobody uses the connection.
    Stopping,
}

/// Serves a connection to its end.
pub(super) async fn serve<H: Handler>(
    shared: Arc<Shared<H>>,
    greeted: Greeted,
    stop: CancellationToken,
) {
    let Greeted {
        mut reader,
        writer,
        peer,
        _place,
    } = greeted;
    let places_total = u32::try_from(shared.limits.in_flight_per_connection)
        .unwrap_or(u32::MAX)
        .max(1);
    let stall = ms(shared.limits.frame_ms);
    let connection = Arc::new(Connection {
        shared,
        peer,
        queue: SendQueue::default(),
        places: Arc::new(Semaphore::new(places_total as usize)),
        places_total,
        requests: AtomicU64::new(0),
        stop,
    });
    let sending = connection.clone();
    let mut sender = tokio::spawn(async move {
        if let Err(error) = write_frames(writer, &sending.queue, stall).await {
            tracing::debug!(peer = %sending.peer.address, %error, "sending failed");
            sending.abandon();
        }
    });
    let ended = connection.read_until_stopped(&mut reader).await;
    match ended {
        Ended::Broken => {}
        Ended::Stopping => connection.finish_requests().await,
    }
    connection.queue.close();
    // The writer ends with its queue, unless it is stuck in a write.
    if timeout(GOODBYE, &mut sender).await.is_err() {
        sender.abort();
    } else if matches!(ended, Ended::Stopping) {
        // Closing with unread bytes would take replies from the peer that it has not read yet.
        let _ = timeout(GOODBYE, reader.drain()).await;
    }
}

impl<H: Handler> Connection<H> {
    async fn read_until_stopped(self: &Arc<Self>, reader: &mut FrameReader) -> Ended {
        let peer = self.peer.address;
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Ended::Stopping,
            result = self.read(reader) => {
                match result {
                    Ok(()) => {}
                    Err(ReadError::Io(error)) => tracing::debug!(%peer, %error, "connection lost"),
                    Err(error @ ReadError::Header(_)) => {
                        self.shared.complaints.report(peer, &error);
                    }
                }
                Ended::Broken
            }
            () = self.until_idle() => Ended::Stopping,
        }
    }

    async fn read(self: &Arc<Self>, reader: &mut FrameReader) -> Result<(), ReadError> {
        let mut pace = Pace::default();
        loop {
            // Those that are answered at once may not have the thread for ever.
            consume_budget().await;
            let place = take(&self.places, 1).await;
            let Some(header) = reader.header().await? else {
                return Ok(());
            };
            if header.direction != Direction::Request || header.kind == MessageKind::Hello {
                return Err(BadHeader::Message(header.kind as u16).into());
            }
            let wait = ms(u64::from(header.deadline_ms.min(DEADLINE_MS_MAX)));
            let deadline = Instant::now() + wait;
            self.requests.fetch_add(1, Ordering::Relaxed);
            let length = (header.body_bytes + header.payload_bytes) as usize;
            let memory = take(&self.shared.bytes, self.budget(length)).await;
            let request = if reader.buffered() >= length {
                receive(reader, &header, deadline).await?
            } else {
                timeout(
                    ms(self.shared.limits.frame_ms),
                    receive(reader, &header, deadline),
                )
                .await
                .map_err(std::io::Error::from)??
            };
            if request.deadline <= Instant::now() {
                continue;
            }
            let is_brief = self.shared.handler.is_brief();
            let answering = self.clone().answer(request, header.request, place, memory);
            match is_brief && pace.next_is_begun() {
                true => begin(answering, &mut pace).await,
                false => drop(tokio::spawn(answering)),
            }
        }
    }

    /// A frame larger than the whole budget may still come, alone.
    fn budget(&self, length: usize) -> u32 {
        let most = self.shared.limits.payload_bytes_in_flight.max(1);
        u32::try_from(length.min(most)).unwrap_or(u32::MAX)
    }

    /// Answers a request. Never cancelled.
    async fn answer(
        self: Arc<Self>,
        request: Request,
        id: u64,
        place: OwnedSemaphorePermit,
        memory: OwnedSemaphorePermit,
    ) {
        let (kind, deadline) = (request.kind, request.deadline);
        let unanswered = AbandonOnDrop(&self);
        let reply = self.shared.handler.handle(&self.peer, request).await;
        std::mem::forget(unanswered);
        drop(memory);
        self.reply(
            reply,
            OutFrame {
                direction: Direction::Answer,
                kind,
                request: id,
                deadline,
                body: bytes::Bytes::new(),
                payload: Bulk::default(),
                place: Some(place),
            },
        );
    }

    fn reply(&self, reply: Answer, frame: OutFrame) {
        let (body, payload) = (reply.body.len(), reply.payload.len());
        if body > BODY_BYTES_MAX as usize || payload > PAYLOAD_BYTES_MAX as usize {
            tracing::error!(kind = ?frame.kind, body, payload, "reply exceeds the limit of a frame");
            return self.abandon();
        }
        let Answer { body, payload } = reply;
        // A connection that is gone needs no reply.
        let _ = self.queue.push(OutFrame {
            body,
            payload,
            ..frame
        });
    }

    /// Gives the connection up, so that the peer does not wait in vain.
    fn abandon(&self) {
        self.queue.close();
        self.stop.cancel();
    }

    async fn finish_requests(&self) {
        let limit = ms(self.shared.limits.stop_ms);
        let all = self.places.acquire_many(self.places_total);
        if timeout(limit, all).await.is_err() {
            let in_flight = self.places_total as usize - self.places.available_permits();
            tracing::warn!(peer = %self.peer.address, in_flight, "stopped with requests in flight");
        }
    }

    async fn until_idle(&self) {
        loop {
            let before = self.requests.load(Ordering::Relaxed);
            tokio::time::sleep(ms(self.shared.limits.idle_ms)).await;
            // The reader holds a place for the request that it waits for.
            let in_flight = self.places_total as usize - self.places.available_permits();
            if self.requests.load(Ordering::Relaxed) == before && in_flight <= 1 {
                return;
            }
        }
    }
}

/// Does here what can be done at once, and the rest in a task of its own.
async fn begin(answering: impl Future<Output = ()> + Send + 'static, pace: &mut Pace) {
    let mut answering = Box::pin(answering);
    let began = Instant::now();
    let done = futures::poll!(&mut answering);
    pace.kept(began.elapsed());
    if done.is_pending() {
        tokio::spawn(answering);
    }
}

async fn receive(
    reader: &mut FrameReader,
    header: &Header,
    deadline: Instant,
) -> std::io::Result<Request> {
    Ok(Request {
        kind: header.kind,
        body: reader.bytes(header.body_bytes as usize).await?,
        payload: reader.bytes(header.payload_bytes as usize).await?,
        deadline,
    })
}

async fn take(semaphore: &Arc<Semaphore>, count: u32) -> OwnedSemaphorePermit {
    match semaphore.clone().try_acquire_many_owned(count) {
        Ok(permit) => permit,
        Err(_) => semaphore
            .clone()
            .acquire_many_owned(count)
            .await
            .expect("these semaphores are never closed"),
    }
}

/// A handler that panicked will never answer: its connection is given up.
struct AbandonOnDrop<'a, H: Handler>(&'a Connection<H>);

impl<H: Handler> Drop for AbandonOnDrop<'_, H> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
