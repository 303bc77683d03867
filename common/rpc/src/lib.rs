//! Connections: many requests in flight over one TCP connection, out-of-order answers, deadlines
//! and mutual authentication. Knows frames, not messages.
//!
//! A connection is one reader task and one writer task on either side; the server adds a task per
//! request. Frames that are queued while the writer is busy leave together in one vectored write.
//!
//! **Invariant:** nothing but the four messages of [`eggs_proto::hello`] is looked at before both
//! sides have proved that they know the secret.
//!
//! **Invariant:** memory is set aside for a request only after its header was checked and after its
//! size was taken from [`ServerLimits::payload_bytes_in_flight`].
//!
//! **Invariant:** a [`RpcError`] whose [`Fate`] is `NotExecuted` was not executed. Anything else may
//! have been, and is only safe to repeat with the same request id.
//!
//! **Invariant:** a connection that sent one malformed frame is closed; no other one notices.

mod answer;
mod client;
mod credentials;
mod error;
mod exchange;
mod frame_reader;
mod handshake;
mod landing;
mod limits;
mod low_water;
mod payload;
mod scatter;
mod send_queue;
mod server;
mod socket;
mod writer;

pub use answer::{Answer, Bulk, PayloadSource};
pub use client::Client;
pub use credentials::{Credentials, CredentialsError, read_secret};
pub use eggs_proto::hello::PeerRole;
pub use error::{Fate, RpcError};
pub use exchange::{Handler, Peer, Reply, Request};
pub use landing::Landed;
pub use limits::{ClientLimits, ServerLimits};
pub use payload::Payload;
pub use server::Server;
