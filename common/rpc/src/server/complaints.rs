//! One log line per misbehaving peer and ten seconds, however often it misbehaves.

use std::collections::HashMap;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::Peer;

const INTERVAL: Duration = Duration::from_secs(10);
/// Peers remembered; beyond that, everybody starts anew.
const PEERS_MAX: usize = 1024;

#[derive(Debug)]
struct Told {
    at: Instant,
    suppressed: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Complaints(Mutex<HashMap<IpAddr, Told>>);

impl Complaints {
    /// Says why a connection was closed, unless the same host was complained about just now.
    pub(super) fn report(&self, peer: SocketAddr, reason: &dyn Display) {
        if let Some(suppressed) = self.admit(peer.ip(), Instant::now()) {
            tracing::warn!(%peer, %reason, suppressed, "connection closed");
        }
    }

    /// Says that a request was refused, unless the same host was complained about just now.
    pub(crate) fn refused(&self, peer: &Peer, reason: &dyn Display) {
        if let Some(suppressed) = self.admit(peer.address.ip(), Instant::now()) {
            let (address, program) = (peer.address, peer.program.as_str());
            tracing::warn!(peer = %address, program, %reason, suppressed, "request refused");
        }
    }

    /// How many complaints were suppressed before this one, or `None` if it is suppressed itself.
    fn admit(&self, peer: IpAddr, now: Instant) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = told.get_mut(&peer) {
            if now.duration_since(known.at) < INTERVAL {
                known.suppressed += 1;
                return None;
            }
            known.at = now;
            return Some(std::mem::take(&mut known.suppressed));
        }
        if told.len() >= PEERS_MAX {
            told.clear();
        }
        let first = Told {
            at: now,
            suppressed: 0,
        };
        told.insert(peer, first);
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_peer_and_interval() {
        let complaints = Complaints::default();
        let (one, other) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        let now = Instant::now();
        assert_eq!(complaints.admit(one, now), Some(0));
        assert_eq!(complaints.admit(one, now), None);
        assert_eq!(complaints.admit(one, now + INTERVAL / 2), None);
        assert_eq!(complaints.admit(other, now), Some(0));
        assert_eq!(complaints.admit(one, now + INTERVAL), Some(2));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let complaints = Complaints::default();
        let now = Instant::now();
        for peer in 0..5000u32 {
            complaints.admit(IpAddr::from(peer.to_be_bytes()), now);
        }
        assert!(complaints.0.lock().unwrap().len() <= PEERS_MAX);
    }
}
