//! One open connection of a client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use eggs_proto::{BadHeader, Direction, Header, MessageKind};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::pending::Pending;
use crate::frame_reader::{FrameReader, ReadError};
use crate::landing::{Arrived, room};
use crate::limits::ms;
use crate::send_queue::{OutFrame, SendQueue};
use crate::writer::write_frames;
use crate::{ClientLimits, Fate, Payload, RpcError};

/// How often a retired connection looks whether its last request is done.
const RETIRED_POLL: Duration = Duration::from_millis(500);

pub(super) struct Connection {
    address: SocketAddr,
    queue: SendQueue,
    pending: Pending,
    places: Semaphore,
    closed: CancellationToken,
    silence: Duration,
}

/// A request to be sent.
pub(super) struct Outgoing {
    pub(super) kind: MessageKind,
    pub(super) deadline: Instant,
    pub(super) body: Bytes,
    pub(super) payload: Payload,
    /// Where the payload of the answer goes, if that is prepared.
    pub(super) parts: Option<Vec<BytesMut>>,
}

impl Connection {
    /// Takes over a socket after the handshake.
    pub(super) fn start(
        address: SocketAddr,
        reader: FrameReader,
        writer: OwnedWriteHalf,
        limits: &ClientLimits,
    ) -> Arc<Self> {
        let connection = Arc::new(Self {
            address,
            queue: SendQueue::default(),
            pending: Pending::default(),
            places: Semaphore::new(limits.in_flight_per_connection.max(1)),
            closed: CancellationToken::new(),
            silence: ms(limits.silence_ms),
        });
        let (frame, idle) = (ms(limits.frame_ms), ms(limits.idle_ms));
        let sending = CloseOnDrop(connection.clone());
        tokio::spawn(async move {
            if let Err(error) = write_frames(writer, &sending.0.queue, frame).await {
                tracing::debug!(%address, %error, "sending failed");
            }
        });
        let receiving = CloseOnDrop(connection.clone());
        tokio::spawn(async move { receiving.0.receive_until_closed(reader, frame, idle).await });
        connection
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Whether it seems dead: requests wait, and nothing was heard for long.
    pub(super) fn is_silent(&self) -> bool {
        self.pending.silent_for(self.silence)
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn call(&self, outgoing: Outgoing) -> Result<Arrived, RpcError> {
        let (address, deadline) = (self.address, outgoing.deadline);
        let late = |fate| RpcError::Deadline { address, fate };
        let closed = |fate| RpcError::Closed { address, fate };
        let _place = match self.places.try_acquire() {
            Ok(place) => place,
            Err(_) => timeout_at(deadline, self.places.acquire())
                .await
                .map_err(|_| late(Fate::NotExecuted))?
                .map_err(|_| closed(Fate::NotExecuted))?,
        };
        let (request, answer) = self.pending.add(outgoing.parts, Instant::now());
        let mut ticket = Ticket {
            connection: self,
            request,
            settled: false,
        };
        let frame = OutFrame {
            direction: Direction::Request,
            kind: outgoing.kind,
            request,
            deadline,
            body: outgoing.body,
            payload: outgoing.payload.into(),
            place: None,
        };
        if self.queue.push(frame).is_err() {
            return Err(closed(Fate::NotExecuted));
        }
        match timeout_at(deadline, answer).await {
            Ok(outcome) => {
                ticket.settled = true;
                outcome.unwrap_or(Err(Fate::Unknown)).map_err(closed)
            }
            Err(_) => Err(late(ticket.withdraw())),
        }
    }

    /// Fails everything that waits, at once.
    pub(super) fn close(&self) {
        let unsent = self.queue.close();
        self.places.close();
        self.closed.cancel();
        self.pending.fail_all(&unsent);
    }

    /// Closes once nobody waits for an answer any more.
    pub(super) fn close_when_unused(self: &Arc<Self>) {
        let connection = self.clone();
        tokio::spawn(async move {
            while !connection.pending.is_empty() && !connection.is_closed() {
                tokio::time::sleep(RETIRED_POLL).await;
            }
            connection.close();
        });
    }

    async fn receive_until_closed(&self, mut reader: FrameReader, frame: Duration, idle: Duration) {
        let address = self.address;
        tokio::select! {
            biased;
            result = self.receive(&mut reader, frame) => match result {
                Ok(()) => tracing::debug!(%address, "server closed the connection"),
                Err(ReadError::Io(error)) => tracing::debug!(%address, %error, "connection lost"),
                Err(ReadError::Header(error)) => {
                    tracing::warn!(%address, %error, "connection closed: malformed answer");
                }
            },
            () = self.closed.cancelled() => {}
            () = self.until_idle(idle) => tracing::debug!(%address, "closing idle connection"),
        }
    }

    async fn receive(&self, reader: &mut FrameReader, limit: Duration) -> Result<(), ReadError> {
        while let Some(header) = reader.header().await? {
            if header.direction != Direction::Answer || header.kind == MessageKind::Hello {
                return Err(BadHeader::Message(header.kind as u16).into());
            }
            let length = (header.body_bytes + header.payload_bytes) as usize;
            if reader.buffered() >= length {
                self.receive_one(reader, header).await?;
            } else {
                timeout(limit, self.receive_one(reader, header))
                    .await
                    .map_err(std::io::Error::from)??;
            }
        }
        Ok(())
    }

    async fn receive_one(&self, reader: &mut FrameReader, header: Header) -> std::io::Result<()> {
        let (body, payload) = (header.body_bytes as usize, header.payload_bytes as usize);
        match self.pending.answered(header.request, Instant::now()) {
            Some(waiter) => {
                let mut arrived = Arrived {
                    body: reader.bytes(body).await?,
                    ..Arrived::default()
                };
                match waiter.parts {
                    None => arrived.payload = reader.bytes(payload).await?,
                    Some(mut parts) if room(&parts) == payload => {
                        reader.fill_parts(&mut parts).await?;
                        arrived.parts = Some(parts);
                    }
                    Some(_) => reader.skip(payload).await?,
                }
                // Whoever gave up waiting does not need the answer.
                let _ = waiter.told.send(Ok(arrived));
                Ok(())
            }
            None => reader.skip(body + payload).await,
        }
    }

    async fn until_idle(&self, idle: Duration) {
        loop {
            let before = self.pending.activity();
            tokio::time::sleep(idle).await;
            if self.pending.activity() == before && self.pending.is_empty() {
                return;
            }
        }
    }
}

/// Closes the connection when one of its tasks ends, also by the end of its runtime.
struct CloseOnDrop(Arc<Connection>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A registered request; dropping it gives the request up.
struct Ticket<'a> {
    connection: &'a Connection,
    request: u64,
    settled: bool,
}

impl Ticket<'_> {
    fn withdraw(&mut self) -> Fate {
        self.settled = true;
        self.connection.pending.forget(self.request);
        if self.connection.queue.withdraw(self.request) {
            Fate::NotExecuted
        } else {
            Fate::Unknown
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.withdraw();
        }
    }
}
