//! The asking side: a pool of connections.

mod connection;
mod lane;
mod pending;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use eggs_proto::{BODY_BYTES_MAX, DEADLINE_MS_MAX, MessageKind, PAYLOAD_BYTES_MAX};
use tokio::time::{Instant, timeout_at};

use crate::landing::Arrived;
use crate::limits::ms;
use crate::{ClientLimits, Credentials, Fate, Landed, Payload, Reply, RpcError};
use connection::Outgoing;
use lane::Lane;

/// Calls servers. A clone shares the connections; they close when the last clone is dropped.
///
/// Connections are made when first needed, once for everybody who waits for the same one, and again
/// after they broke. Must be used within a tokio runtime.
#[derive(Clone)]
pub struct Client {
    pool: Arc<Pool>,
}

struct Pool {
    shared: Arc<Shared>,
    /// Never shrinks: an entry without connections is small, and addresses come from the cluster map.
    addresses: RwLock<HashMap<SocketAddr, Arc<Lanes>>>,
    calls: AtomicU64,
}

/// A request of somebody who waits.
struct Asked {
    kind: MessageKind,
    timeout: Duration,
    body: Bytes,
    payload: Payload,
    parts: Option<Vec<BytesMut>>,
}

/// What every connection needs to know.
struct Shared {
    credentials: Credentials,
    program: String,
    limits: ClientLimits,
}

/// The connections to one address.
struct Lanes {
    lanes: Vec<Arc<Lane>>,
    next: AtomicUsize,
}

impl Client {
    /// A client that has not connected to anything yet. `program` appears in the servers' logs.
    pub fn new(credentials: Credentials, program: &str, limits: ClientLimits) -> Self {
        let shared = Arc::new(Shared {
            credentials,
            program: program.to_owned(),
            limits,
        });
        Self {
            pool: Arc::new(Pool {
                shared,
                addresses: RwLock::default(),
                calls: AtomicU64::new(0),
            }),
        }
    }

    /// Calls so far, of this client and its clones, those that failed included.
    pub fn calls(&self) -> u64 {
        self.pool.calls.load(Ordering::Relaxed)
    }

    /// Asks `address` and waits for the answer for at most `timeout` (at most
    /// [`DEADLINE_MS_MAX`] milliseconds), which includes connecting.
    ///
    /// Dropping the future withdraws the request if it was not sent yet; otherwise its answer is
    /// ignored.
    pub async fn call(
        &self,
        address: SocketAddr,
        kind: MessageKind,
        timeout: Duration,
        body: Bytes,
        payload: impl Into<Payload>,
    ) -> Result<Reply, RpcError> {
        let asked = Asked {
            kind,
            timeout,
            body,
            payload: payload.into(),
            parts: None,
        };
        let Arrived { body, payload, .. } = self.ask(address, asked).await?;
        Ok(Reply { body, payload })
    }

    /// As [`Client::call`], for a request without payload whose answer has one of a known length: it goes straight into
    /// the `parts`, each filled up to its capacity.
    pub async fn call_into(
        &self,
        address: SocketAddr,
        kind: MessageKind,
        timeout: Duration,
        body: Bytes,
        parts: Vec<BytesMut>,
    ) -> Result<Landed, RpcError> {
        let asked = Asked {
            kind,
            timeout,
            body,
            payload: Bytes::new().into(),
            parts: Some(parts),
        };
        let Arrived { body, parts, .. } = self.ask(address, asked).await?;
        Ok(Landed { body, parts })
    }

    async fn ask(&self, address: SocketAddr, asked: Asked) -> Result<Arrived, RpcError> {
        let Asked {
            kind,
            timeout,
            body,
            payload,
            parts,
        } = asked;
        if body.len() > BODY_BYTES_MAX as usize || payload.len() > PAYLOAD_BYTES_MAX as usize {
            return Err(RpcError::TooLarge {
                body: body.len(),
                payload: payload.len(),
            });
        }
        self.pool.calls.fetch_add(1, Ordering::Relaxed);
        let deadline = Instant::now() + timeout.min(ms(u64::from(DEADLINE_MS_MAX)));
        let lane = self.pool.lane(address);
        let connection = match lane.open() {
            Some(connection) => connection,
            None => match timeout_at(deadline, lane.connect()).await {
                Ok(connected) => connected?,
                Err(_) => {
                    let fate = Fate::NotExecuted;
                    return Err(RpcError::Deadline { address, fate });
                }
            },
        };
        let outgoing = Outgoing {
            kind,
            deadline,
            body,
            payload,
            parts,
        };
        let result = connection.call(outgoing).await;
        if matches!(result, Err(RpcError::Deadline { .. })) && connection.is_silent() {
            lane.retire(&connection);
        }
        result
    }
}

impl Pool {
    fn lane(&self, address: SocketAddr) -> Arc<Lane> {
        let known = {
            let addresses = self
                .addresses
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            addresses.get(&address).cloned()
        };
        let lanes = known.unwrap_or_else(|| {
            let mut addresses = self
                .addresses
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            let lanes = addresses
                .entry(address)
                .or_insert_with(|| Arc::new(Lanes::new(&self.shared, address)));
            lanes.clone()
        });
        lanes.pick()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let addresses = self
            .addresses
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        for lane in addresses.values().flat_map(|lanes| &lanes.lanes) {
            lane.close();
        }
    }
}

impl Lanes {
    fn new(shared: &Arc<Shared>, address: SocketAddr) -> Self {
        let count = shared.limits.connections_per_address.max(1);
        let lane = || Arc::new(Lane::new(shared.clone(), address));
        Self {
            lanes: std::iter::repeat_with(lane).take(count).collect(),
            next: AtomicUsize::new(0),
        }
    }

    fn pick(&self) -> Arc<Lane> {
        if self.lanes.len() == 1 {
            return self.lanes[0].clone();
        }
        self.lanes[self.next.fetch_add(1, Ordering::Relaxed) % self.lanes.len()].clone()
    }
}
