//! What all replicas of a process share about the processes of their peers.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eggs_proto::NodeId;
use openraft::async_runtime::WatchReceiver;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::detector::{Detector, Standing};
use super::presence::Presence;
use super::stance::{Following, Heirship, Patience, Stance};
use crate::types::Raft;
use crate::{Timing, Transport};

/// Time between two pulses to a peer.
pub(crate) const PULSE_PERIOD: Duration = Duration::from_millis(100);
/// Most time that passes for the detector between two looks.
const STEP_MAX: Duration = Duration::from_millis(200);

/// See the module.
pub(crate) struct Watch {
    pub(crate) node: NodeId,
    /// Names this life of the process.
    pub(crate) incarnation: u64,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) timing: Timing,
    detector: Mutex<Detector>,
    /// Somebody doubts that a peer lives.
    pub(crate) doubt: Notify,
    /// What is believed of a peer may have changed.
    pub(crate) news: Notify,
}

/// A replica as far as resting is concerned.
#[derive(Clone, Copy)]
pub(crate) struct Sight<'a> {
    pub(crate) group: u16,
    pub(crate) raft: &'a Raft,
    pub(crate) presence: &'a Presence,
}

impl Watch {
    pub(crate) fn new(node: NodeId, transport: Arc<dyn Transport>, timing: Timing) -> Arc<Self> {
        let silence = timing.pulse_silence();
        Arc::new(Self {
            node,
            incarnation: rand::random(),
            transport,
            timing,
            detector: Mutex::new(Detector::new(silence, STEP_MAX, Instant::now())),
            doubt: Notify::new(),
            news: Notify::new(),
        })
    }

    pub(crate) fn detector(&self) -> MutexGuard<'_, Detector> {
        self.detector.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is believed of a process.
    pub(crate) fn standing(&self, peer: NodeId) -> Standing {
        self.detector().standing(peer)
    }

    /// How long ago a process has answered.
    pub(crate) fn heard(&self, peer: NodeId) -> Option<Duration> {
        self.detector().heard(peer)
    }

    fn patience(&self) -> Patience {
        Patience {
            group: self.timing.group_silence(),
            heir: Duration::from_millis(self.timing.election_ms_min),
        }
    }

    /// What a replica has to do about its leader.
    pub(crate) fn stance(&self, of: Sight<'_>) -> Stance {
        let (leader, term) = {
            let metrics = of.raft.server_metrics();
            let metrics = metrics.borrow_watched();
            (metrics.current_leader, metrics.vote.leader_id.term)
        };
        if leader == Some(self.node.get()) {
            return Stance::Content;
        }
        let Some(leader) = leader.and_then(NodeId::from_u64) else {
            return Stance::Free;
        };
        let standing = self.standing(leader);
        let (rests_in, heard) = of.presence.following();
        let heirship = match standing {
            Standing::Suspect { .. } => self.heirship(of),
            Standing::Alive { .. } | Standing::Unknown => Heirship::Anothers,
        };
        let following = Following {
            term,
            standing,
            rests_in,
            heard,
            heirship,
        };
        following.stance(self.patience())
    }

    /// Whether this process is the first of those that live who should lead.
    fn heirship(&self, of: Sight<'_>) -> Heirship {
        let members = {
            let metrics = of.raft.metrics();
            crate::members::Members::of(&metrics.borrow_watched().membership_config)
        };
        let detector = self.detector();
        let lives = |id: &NodeId| *id == self.node || detector.standing(*id).is_alive();
        let living: BTreeSet<NodeId> = members.target.into_iter().filter(lives).collect();
        if crate::members::preferred(of.group, &living) == Some(self.node) {
            Heirship::Ours
        } else {
            Heirship::Anothers
        }
    }
}
