//! Limits of the HTTP server.

use std::time::Duration;

/// Most connections at a time; more wait in the kernel's queue.
pub(super) const CONNECTIONS_MAX: usize = 256;
/// A connection on which nothing can be read or written for this long is closed.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(30);
/// A connection is closed at its next pause after this time, however busy it looks: whoever sends a
/// header byte by byte does not keep it.
pub(super) const CONNECTION_MAX: Duration = Duration::from_secs(300);
/// Pause after the system refused to accept, as for want of file descriptors.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
