//! Who has how much space, as far as this process knows.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eggs_proto::NodeId;
use eggs_proto::registry::{SpaceLevel, SpaceReport};
use tokio::time::Instant;

use super::judge;

/// A peer that has not answered for so long is not counted on.
const SILENT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy)]
struct Said {
    level: SpaceLevel,
    at: Instant,
}

/// What is known of the disks of this process and its peers.
pub(crate) struct Board {
    node: NodeId,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    own: SpaceReport,
    peers: BTreeMap<NodeId, Said>,
}

impl Board {
    pub(crate) fn new(node: NodeId) -> Self {
        Self {
            node,
            known: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Whole after every statement.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How this process's own disk is.
    pub(crate) fn own(&self) -> SpaceReport {
        self.lock().own
    }

    pub(super) fn set_own(&self, report: SpaceReport) {
        self.lock().own = report;
    }

    pub(super) fn heard(&self, peer: NodeId, level: SpaceLevel, at: Instant) {
        self.lock().peers.insert(peer, Said { level, at });
    }

    /// Whether a process is known to have enough.
    pub(crate) fn is_ample(&self, node: NodeId, now: Instant) -> bool {
        self.level(&self.lock(), node, now) == SpaceLevel::Ample
    }

    /// Whether all are known to have enough, and with them any group.
    pub(crate) fn is_ample_everywhere(&self, now: Instant) -> bool {
        let known = self.lock();
        let mut nodes = known.peers.keys().chain([&self.node]);
        nodes.all(|node| self.level(&known, *node, now) == SpaceLevel::Ample)
    }

    /// How a group of these voters is.
    pub(crate) fn of_group<'a>(
        &self,
        voters: impl Iterator<Item = &'a NodeId>,
        now: Instant,
    ) -> SpaceLevel {
        let known = self.lock();
        judge::of_group(voters.map(|voter| self.level(&known, *voter, now)))
    }

    /// Nobody is held up by a peer that was never heard of; one that has fallen silent is not part of a majority that
    /// has space.
    fn level(&self, known: &Known, node: NodeId, now: Instant) -> SpaceLevel {
        if node == self.node {
            return known.own.level;
        }
        match known.peers.get(&node) {
            None => SpaceLevel::Ample,
            Some(said) if now.duration_since(said.at) > SILENT => said.level.max(SpaceLevel::Low),
            Some(said) => said.level,
        }
    }
}

#[cfg(test)]
mod tests {
    use eggs_proto::ProcessRole;

    use super::*;

    #[test]
    fn a_silent_peer_is_not_counted_on() {
        let [one, two, three] = [1, 2, 3].map(|index| NodeId::new(ProcessRole::Shard, index));
        let voters = [one, two, three];
        let board = Board::new(one);
        let of_group = |now| {
            let level = board.of_group(voters.iter(), now);
            assert!(!board.is_ample_everywhere(now) || level == SpaceLevel::Ample);
            level
        };
        assert!(board.is_ample_everywhere(Instant::now()));
        let low = SpaceReport {
            level: SpaceLevel::Low,
            ..SpaceReport::default()
        };
        board.set_own(low);
        let start = Instant::now();
        assert_eq!(of_group(start), SpaceLevel::Ample);
        board.heard(two, SpaceLevel::Ample, start);
        board.heard(three, SpaceLevel::Ample, start);
        board.heard(two, SpaceLevel::Ample, start + SILENT);
        assert!(!board.is_ample(one, start) && board.is_ample(three, start));
        assert!(!board.is_ample_everywhere(start));
        assert_eq!(of_group(start + SILENT), SpaceLevel::Ample);
        let later = start + SILENT * 3 / 2;
        assert!(!board.is_ample(three, later));
        assert_eq!(of_group(later), SpaceLevel::Low);
        board.set_own(SpaceReport::default());
        assert_eq!(of_group(later), SpaceLevel::Ample);
    }
}
