//! What one replica keeps in mind about resting, as a leader and as a follower.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What marking a group as active came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touched {
    /// It was awake.
    Awake,
    /// It rested: its leader's lease has lapsed.
    Woken,
}

/// As a follower.
#[derive(Clone, Copy, Debug, Default)]
struct Below {
    /// The term in which it agreed to rest.
    rests_in: Option<u64>,
    /// The term and time of the last message of a leader.
    heard: Option<(u64, Instant)>,
    /// When it last campaigned as an heir.
    campaigned: Option<Instant>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Presence {
    begin: Instant,
    /// As a leader: one more than the index of the last entry that all members have agreed to rest after; 0 if awake.
    rests_after: AtomicU64,
    /// When something was last asked of this replica as a leader, in milliseconds since `begin`.
    active_ms: AtomicU64,
    /// When it last woke, likewise.
    woken_ms: AtomicU64,
    /// As a leader: one more than the term in which it gave the leadership away; 0 if it did not.
    gave_away: AtomicU64,
    /// Whether the members are being asked to rest.
    asking: AtomicBool,
    /// Whether it may campaign: not so shortly after a restart.
    campaigns: AtomicBool,
    below: Mutex<Below>,
}

impl Presence {
    pub(crate) fn new() -> Self {
        Self {
            begin: Instant::now(),
            rests_after: AtomicU64::new(0),
            active_ms: AtomicU64::new(0),
            woken_ms: AtomicU64::new(0),
            gave_away: AtomicU64::new(0),
            asking: AtomicBool::new(false),
            campaigns: AtomicBool::new(false),
            below: Mutex::default(),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn below(&self) -> MutexGuard<'_, Below> {
        self.below.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks the group as active.
    pub(crate) fn touch(&self) -> Touched {
        // Before looking whether it rests: `rest` looks at it after saying so.
        self.active_ms.store(self.now_ms(), Ordering::SeqCst);
        if self.rests() && self.rests_after.swap(0, Ordering::SeqCst) != 0 {
            self.woken_ms.store(self.now_ms(), Ordering::Relaxed);
            Touched::Woken
        } else {
            Touched::Awake
        }
    }

    /// For how long nothing was asked of the leader.
    pub(crate) fn idle(&self) -> Duration {
        let active = self.active_ms.load(Ordering::SeqCst);
        Duration::from_millis(self.now_ms().saturating_sub(active))
    }

    /// Whether the group rests under this leader.
    pub(crate) fn rests(&self) -> bool {
        self.rests_after.load(Ordering::SeqCst) != 0
    }

    /// Whether the group rests after this entry and no other.
    pub(crate) fn rests_after(&self, index: u64) -> bool {
        self.rests_after.load(Ordering::SeqCst) == index.saturating_add(1)
    }

    /// Whether it rests, or woke so lately that its members may not have been heard since.
    pub(crate) fn has_just_rested(&self, lately: Duration) -> bool {
        let woken = self.woken_ms.load(Ordering::Relaxed);
        let ago = Duration::from_millis(self.now_ms().saturating_sub(woken));
        self.rests() || (woken > 0 && ago < lately)
    }

    /// Lets the group rest after an entry, unless it was active within this time.
    pub(crate) fn rest(&self, index: u64, idle: Duration) {
        self.rests_after
            .store(index.saturating_add(1), Ordering::SeqCst);
        if self.idle() < idle {
            self.rests_after.store(0, Ordering::SeqCst);
        }
    }

    /// This leader gives the leadership away. Consensus lets it do nothing more in this term, also if the heir never
    /// takes it.
    pub(crate) fn give_away(&self, term: u64) {
        self.gave_away
            .store(term.saturating_add(1), Ordering::SeqCst);
    }

    /// Whether it gave the leadership of this term away.
    pub(crate) fn gave_away(&self, term: u64) -> bool {
        self.gave_away.load(Ordering::SeqCst) == term.saturating_add(1)
    }

    /// Whether the caller may ask the members; it has to say when it is [`Presence::done_asking`].
    pub(crate) fn begin_asking(&self) -> bool {
        !self.asking.swap(true, Ordering::SeqCst)
    }

    pub(crate) fn done_asking(&self) {
        self.asking.store(false, Ordering::SeqCst);
    }

    pub(crate) fn campaigns(&self) -> bool {
        self.campaigns.load(Ordering::Relaxed)
    }

    pub(crate) fn let_campaign(&self) {
        self.campaigns.store(true, Ordering::Relaxed);
    }

    /// A leader of this term has said something new.
    pub(crate) fn rouse(&self) {
        self.below().rests_in = None;
    }

    /// A leader of this term was heard and followed.
    pub(crate) fn heard(&self, term: u64) {
        self.below().heard = Some((term, Instant::now()));
    }

    /// This follower rests.
    pub(crate) fn rest_below(&self, term: u64) {
        self.below().rests_in = Some(term);
    }

    /// The leader does not know that the group rests in this term.
    pub(crate) fn dispute(&self, term: u64) {
        let mut below = self.below();
        if below.rests_in == Some(term) {
            *below = Below::default();
        }
    }

    /// The leader's process is another than before: whatever it said is void.
    pub(crate) fn forget_leader(&self) {
        *self.below() = Below::default();
    }

    /// Whether an heir should campaign now: its leader's lease has lapsed here, and it did not just do so.
    pub(crate) fn may_campaign_again(&self, lease: Duration, again: Duration) -> bool {
        let now = Instant::now();
        let passed = |since: Instant, time| now.saturating_duration_since(since) >= time;
        let mut below = self.below();
        let may = below.heard.is_none_or(|(_, at)| passed(at, lease))
            && below.campaigned.is_none_or(|at| passed(at, again));
        if may {
            below.campaigned = Some(now);
        }
        may
    }

    /// The term in which this follower rests, and the term and age of the last message of a leader.
    pub(crate) fn following(&self) -> (Option<u64>, Option<(u64, Duration)>) {
        let below = *self.below();
        let heard = below.heard.map(|(term, at)| (term, at.elapsed()));
        (below.rests_in, heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn rests_only_when_idle_and_wakes_once() {
        let idle = Duration::from_millis(100);
        let presence = Presence::new();
        presence.touch();
        presence.rest(8, idle);
        assert!(!presence.rests());
        tokio::time::sleep(2 * idle).await;
        presence.rest(8, idle);
        assert!(presence.rests() && presence.rests_after(8) && !presence.rests_after(9));
        assert_eq!(presence.touch(), Touched::Woken);
        assert_eq!(presence.touch(), Touched::Awake);
        assert!(!presence.rests());
    }

    #[test]
    fn a_dispute_of_another_term_says_nothing() {
        let presence = Presence::new();
        presence.rest_below(4);
        presence.dispute(3);
        assert_eq!(presence.following().0, Some(4));
        presence.dispute(4);
        assert_eq!(presence.following().0, None);
    }
}
