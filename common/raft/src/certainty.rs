//! Reads under a lease without asking the consensus core, which costs two task switches each time.
//!
//! Once a read in this term was confirmed in full (a quorum follows, and everything that was answered before is applied), the
//! following ones only need to know that nobody else can have been elected since: this replica leads in the same term, and a
//! quorum has acknowledged something that was sent less than a read lease ago. Both are facts that the core publishes; that they
//! may be a little old makes the answer "no" more often, never "yes". What is acknowledged by this leader is applied before it
//! is answered, so the state has it.
//!
//! A hand-over ends a leadership without waiting for leases: no read of a term is certain from before it is asked for.
//!
//! **Invariant:** what is certain here would be certain to the core at some moment of the same call.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use eggs_proto::NodeId;
use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver;

use crate::types::Raft;

/// What one replica remembers of its own leadership.
#[derive(Debug, Default)]
pub(crate) struct Certainty {
    /// One more than the term in which a read was last confirmed in full.
    confirmed: AtomicU64,
    /// Hand-overs that are just being asked for.
    asking: AtomicU64,
    /// One more than the last term in which one was asked for.
    handed_over: AtomicU64,
}

/// What the core has published.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// The term in which this replica leads, if it does.
    leads_in: Option<u64>,
    /// How long ago that was sent which a quorum has acknowledged.
    acknowledged: Option<Duration>,
}

impl Seen {
    fn of(raft: &Raft, node: NodeId) -> Self {
        // The acknowledgement first: one of an earlier leadership of this replica is a fact, too.
        let acknowledged = {
            let metrics = raft.data_metrics();
            let at = metrics.borrow_watched().last_quorum_acked;
            at.map(|at| at.elapsed())
        };
        Self {
            leads_in: leads_in(raft, node),
            acknowledged,
        }
    }
}

/// The term in which this replica leads, as far as is published.
fn leads_in(raft: &Raft, node: NodeId) -> Option<u64> {
    let metrics = raft.server_metrics();
    let metrics = metrics.borrow_watched();
    let leads = metrics.current_leader == Some(node.get());
    leads.then_some(metrics.vote.leader_id.term)
}

impl Certainty {
    /// Whether a read may be answered now from what is applied.
    pub(crate) fn holds(&self, raft: &Raft, node: NodeId, lease: Duration) -> bool {
        self.holds_for(Seen::of(raft, node), lease)
    }

    fn holds_for(&self, seen: Seen, lease: Duration) -> bool {
        let Some(end) = seen.leads_in.map(|term| term.saturating_add(1)) else {
            return false;
        };
        self.confirmed.load(Ordering::SeqCst) == end
            && seen.acknowledged.is_some_and(|age| age < lease)
            && self.asking.load(Ordering::SeqCst) == 0
            && self.handed_over.load(Ordering::SeqCst) < end
    }

    /// Before a read is confirmed by the core; hand what this returns to [`Certainty::confirm`].
    pub(crate) fn before(raft: &Raft, node: NodeId) -> Option<u64> {
        leads_in(raft, node)
    }

    /// The core has confirmed a read. Counts only if this replica led in the same term before and after.
    pub(crate) fn confirm(&self, raft: &Raft, node: NodeId, before: Option<u64>) {
        if let Some(term) = before
            && leads_in(raft, node) == before
        {
            self.confirmed
                .store(term.saturating_add(1), Ordering::SeqCst);
        }
    }

    /// Asks the core to hand over the leadership, if this replica has it. Returns once it is under way.
    pub(crate) async fn hand_over(&self, raft: &Raft, to: NodeId) {
        self.asking.fetch_add(1, Ordering::SeqCst);
        // An error of either means that the group has stopped: then nobody reads here any more.
        let _ = raft.trigger().transfer_leader(to.get()).await;
        // The core does one thing after the other: it was asked in this term or an earlier one.
        if let Ok(term) = raft
            .with_raft_state(|state| state.vote_ref().leader_id.term)
            .await
        {
            self.handed_over
                .fetch_max(term.saturating_add(1), Ordering::SeqCst);
            self.asking.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_millis(400);

    fn seen(term: u64, ms: u64) -> Seen {
        Seen {
            leads_in: Some(term),
            acknowledged: Some(Duration::from_millis(ms)),
        }
    }

    fn confirmed(term: u64) -> Certainty {
        Certainty {
            confirmed: AtomicU64::new(term + 1),
            ..Certainty::default()
        }
    }

    #[test]
    fn a_lease_of_a_confirmed_term_is_enough() {
        let certainty = confirmed(7);
        assert!(certainty.holds_for(seen(7, 399), LEASE));
        assert!(!certainty.holds_for(seen(7, 400), LEASE));
        assert!(!certainty.holds_for(seen(6, 0), LEASE));
        assert!(!certainty.holds_for(seen(8, 0), LEASE));
        let follows = Seen {
            leads_in: None,
            ..seen(7, 0)
        };
        assert!(!certainty.holds_for(follows, LEASE));
        let nobody = Seen {
            acknowledged: None,
            ..seen(7, 0)
        };
        assert!(!certainty.holds_for(nobody, LEASE));
        assert!(!Certainty::default().holds_for(seen(0, 0), LEASE));
    }

    #[test]
    fn a_hand_over_ends_its_term_and_no_other() {
        let certainty = confirmed(7);
        certainty.asking.store(1, Ordering::SeqCst);
        assert!(!certainty.holds_for(seen(7, 0), LEASE));
        certainty.handed_over.store(8, Ordering::SeqCst);
        certainty.asking.store(0, Ordering::SeqCst);
        assert!(!certainty.holds_for(seen(7, 0), LEASE));
        certainty.confirmed.store(10, Ordering::SeqCst);
        assert!(certainty.holds_for(seen(9, 0), LEASE));
    }
}
