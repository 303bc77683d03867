//! Limits of both ends, with defaults that suit a server with a few gigabytes of memory.

use std::time::Duration;

/// What a server grants.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// Most authenticated connections.
    pub connections: usize,
    /// Most connections that have not yet proved anything.
    pub handshakes: usize,
    /// Most requests of one connection between being read and their reply being written.
    pub in_flight_per_connection: usize,
    /// Most bytes of requests, bodies and payloads, that are held in memory at once.
    pub payload_bytes_in_flight: usize,
    /// Longest handshake, in milliseconds.
    pub handshake_ms: u64,
    /// Longest time from the header of a frame to its end, and longest time a peer may take to
    /// accept one buffer of replies, in milliseconds.
    pub frame_ms: u64,
    /// A connection without requests is closed after one to two times this, in milliseconds.
    pub idle_ms: u64,
    /// How long requests in flight may take to finish when the server stops, in milliseconds.
    pub stop_ms: u64,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            handshakes: 256,
            in_flight_per_connection: 1024,
            payload_bytes_in_flight: 512 << 20,
            handshake_ms: 5_000,
            frame_ms: 60_000,
            idle_ms: 600_000,
            stop_ms: 5_000,
        }
    }
}

/// What a client keeps to.
#[derive(Clone, Debug)]
pub struct ClientLimits {
    /// Connections per address; requests take turns.
    pub connections_per_address: usize,
    /// Most requests in flight per connection; more wait, within their deadline.
    pub in_flight_per_connection: usize,
    /// Longest time to connect and shake hands, in milliseconds.
    pub connect_ms: u64,
    /// Longest time from the header of a frame to its end, and longest time a peer may take to
    /// accept one buffer of requests, in milliseconds.
    pub frame_ms: u64,
    /// A connection on which requests expire and that has been silent for this long is replaced by a
    /// new one, in milliseconds.
    pub silence_ms: u64,
    /// A connection without requests is closed after one to two times this, in milliseconds.
    pub idle_ms: u64,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            connections_per_address: 1,
            in_flight_per_connection: 1024,
            connect_ms: 3_000,
            frame_ms: 60_000,
            silence_ms: 2_000,
            idle_ms: 240_000,
        }
    }
}

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
