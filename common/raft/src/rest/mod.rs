//! Groups that rest, and the one failure detector per pair of processes that watches over them.
//!
//! Most groups have nothing to do at most times. A leader whose group was idle for a while, with every member known to
//! have everything, asks the members to let the group rest; once all agree it sends no more heartbeats. Its followers
//! hold no election timer: they follow for as long as the leader's *process* answers their pulses and does not dispute
//! that it leads. A pulse is a question that is answered, so it proves both directions at once. Anything that the group
//! has to do wakes it, at the cost of asking a quorum once.
//!
//! The detector decides when to campaign, and nothing else. Who may vote for whom, and who may serve, stays with
//! consensus and its leases, which run on their own clocks whether a group rests or not.
//!
//! **Invariant:** suspicion never shortens a lease, and trust never prolongs one: a leader that rests has none after
//! `election_ms_max`, and serves nobody before a quorum has answered it again.
//! **Invariant:** a follower without an election timer knows a leader, and that leader's process has answered a pulse
//! lately; otherwise its timer runs.
//! **Invariant:** a follower rests only under a leader of its own term whose last entry it has applied, and no longer
//! than that process keeps its incarnation.
//! **Invariant:** whoever follows contentedly grants no pre-vote, so that a process that returns, or that alone has lost
//! sight of the leader, deposes nobody.

mod agree;
mod beats;
mod clock;
mod detector;
mod presence;
mod pulses;
mod stance;
#[cfg(test)]
mod tests;
mod watch;
mod watcher;

pub(crate) use agree::agree;
pub(crate) use beats::run as run_beats;
pub(crate) use presence::{Presence, Touched};
pub(crate) use pulses::run as run_pulses;
pub(crate) use stance::Stance;
pub(crate) use watch::{Sight, Watch};
pub(crate) use watcher::run as run_watcher;
