//! Which peers live, as told by the pulses that they answered.
//!
//! **Invariant:** a peer is suspected only after connecting failed twice in a row, or after a silence that this process
//! itself was awake for.

use std::collections::BTreeMap;
use std::time::Duration;

use eggs_proto::NodeId;
use tokio::time::Instant;

use super::clock::WakingClock;

/// Failed connections in a row after which a peer is suspected. One may be the end of an old connection.
const FAILURES_MAX: u32 = 2;

/// What is believed of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has not answered yet, and had little time to.
    Unknown,
    /// It answered lately.
    Alive {
        /// Which of its lives this is.
        incarnation: u64,
    },
    /// It does not answer.
    Suspect {
        /// For how long.
        since: Duration,
    },
}

impl Standing {
    pub(crate) const fn is_alive(self) -> bool {
        matches!(self, Self::Alive { .. })
    }
}

#[derive(Debug)]
struct Peer {
    incarnation: Option<u64>,
    /// When the last pulse that was answered had left; at first, when watching began.
    heard: Duration,
    failures: u32,
    failing_since: Duration,
}

/// Time is this process's own, see [`WakingClock`].
#[derive(Debug)]
pub(crate) struct Detector {
    silence: Duration,
    clock: WakingClock,
    peers: BTreeMap<NodeId, Peer>,
}

impl Detector {
    pub(crate) const fn new(silence: Duration, step: Duration, now: Instant) -> Self {
        Self {
            silence,
            clock: WakingClock::new(step, now),
            peers: BTreeMap::new(),
        }
    }

    /// Passes time.
    pub(crate) fn look(&mut self, now: Instant) {
        self.clock.look(now);
    }

    /// Own time, to be handed back with an answer.
    pub(crate) const fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Watches exactly these.
    pub(crate) fn watch(&mut self, peers: impl Iterator<Item = NodeId>) {
        let now = self.now();
        let mut before = std::mem::take(&mut self.peers);
        for id in peers {
            let peer = before.remove(&id).unwrap_or(Peer {
                incarnation: None,
                heard: now,
                failures: 0,
                failing_since: now,
            });
            self.peers.insert(id, peer);
        }
    }

    pub(crate) fn watched(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.peers.keys().copied()
    }

    /// A pulse that left at `asked` was answered.
    pub(crate) fn answered(&mut self, peer: NodeId, asked: Duration, incarnation: u64) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.incarnation = Some(incarnation);
            peer.heard = peer.heard.max(asked);
            peer.failures = 0;
        }
    }

    /// There was no connection to the peer, or it broke.
    pub(crate) fn failed(&mut self, peer: NodeId) {
        let now = self.now();
        if let Some(peer) = self.peers.get_mut(&peer) {
            if peer.failures == 0 {
                peer.failing_since = now;
            }
            peer.failures = peer.failures.saturating_add(1);
        }
    }

    /// How long ago the peer has answered.
    pub(crate) fn heard(&self, peer: NodeId) -> Option<Duration> {
        let peer = self.peers.get(&peer)?;
        peer.incarnation?;
        Some(self.now().saturating_sub(peer.heard))
    }

    pub(crate) fn standing(&self, peer: NodeId) -> Standing {
        let Some(peer) = self.peers.get(&peer) else {
            return Standing::Unknown;
        };
        let silent = self.now().saturating_sub(peer.heard);
        if peer.failures >= FAILURES_MAX {
            let since = self.now().saturating_sub(peer.failing_since);
            return Standing::Suspect { since };
        }
        if silent > self.silence {
            let since = silent.saturating_sub(self.silence);
            return Standing::Suspect { since };
        }
        match peer.incarnation {
            Some(incarnation) => Standing::Alive { incarnation },
            None => Standing::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use eggs_proto::ProcessRole;

    use super::*;

    const PEER: NodeId = NodeId::new(ProcessRole::Shard, 1);
    const MS: Duration = Duration::from_millis(1);

    fn watching() -> (Detector, Instant) {
        let begin = Instant::now();
        let mut detector = Detector::new(500 * MS, 200 * MS, begin);
        detector.watch([PEER].into_iter());
        (detector, begin)
    }

    fn pass(detector: &mut Detector, begin: Instant, until_ms: u32) {
        let mut at = detector.now();
        while at < until_ms * MS {
            at += 100 * MS;
            detector.look(begin + at);
        }
    }

    #[test]
    fn silence_is_suspicious_and_an_answer_ends_it() {
        let (mut detector, begin) = watching();
        assert_eq!(detector.standing(PEER), Standing::Unknown);
        detector.answered(PEER, detector.now(), 7);
        let alive = Standing::Alive { incarnation: 7 };
        assert_eq!(detector.standing(PEER), alive);
        pass(&mut detector, begin, 500);
        assert_eq!(detector.standing(PEER), alive);
        pass(&mut detector, begin, 600);
        let since = 100 * MS;
        assert_eq!(detector.standing(PEER), Standing::Suspect { since });
        // An old answer that arrives late says nothing about now.
        detector.answered(PEER, 50 * MS, 7);
        assert!(!detector.standing(PEER).is_alive());
        detector.answered(PEER, 550 * MS, 8);
        let standing = detector.standing(PEER);
        assert_eq!(standing, Standing::Alive { incarnation: 8 });
    }

    #[test]
    fn who_was_stopped_suspects_nobody_for_it() {
        let (mut detector, begin) = watching();
        detector.answered(PEER, detector.now(), 7);
        detector.look(begin + 60_000 * MS);
        assert!(detector.standing(PEER).is_alive());
        assert_eq!(detector.heard(PEER), Some(200 * MS));
    }

    #[test]
    fn one_lost_connection_is_nothing_and_two_are_suspicious() {
        let (mut detector, _) = watching();
        detector.answered(PEER, detector.now(), 7);
        detector.failed(PEER);
        assert!(detector.standing(PEER).is_alive());
        detector.answered(PEER, detector.now(), 7);
        detector.failed(PEER);
        assert!(detector.standing(PEER).is_alive());
        detector.failed(PEER);
        assert!(matches!(detector.standing(PEER), Standing::Suspect { .. }));
        detector.watch(std::iter::empty());
        assert_eq!(detector.standing(PEER), Standing::Unknown);
    }
}
