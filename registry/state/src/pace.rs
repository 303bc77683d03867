//! How long a disk takes, and whether that is slow.
//!
//! Every few seconds the leader says how long disks took; each is compared with its peers, the disks of its class.
//! A disk is found slow when its 95th percentile has been many times the median of its peers', and above a floor,
//! for a while without a break. It is found well again after a longer while in which it kept well below that limit;
//! each relapse doubles that while, so that a disk that is only slow when it has work does not swing to and fro.
//!
//! Whether a finding is acted upon is for the guard to say, see [`crate::guard`].
//!
//! Time is observed time: an outage of the registry makes nobody slow and nobody well.
//!
//! **Invariant:** a single bad report never makes a disk slow; it takes [`SlowRules::slow_after_ms`] of them.
//! **Invariant:** a disk without enough peers to compare with is never found slow.

use std::collections::BTreeMap;

use eggs_machine::Stored;
use eggs_proto::registry::{DiskPace, Latency};
use eggs_proto::{BlockServiceId, StorageClass};
use serde::{Deserialize, Serialize};

use crate::record::ServiceRecord;

/// Fewest other disks of a class to compare one with.
pub const PEERS_MIN: usize = 3;
/// What was last said this long ago says nothing about the present, in milliseconds of observed time.
pub const PACE_AGE_MS_MAX: u64 = 60_000;
/// A disk that a person has made active by hand is not found slow for this long, in milliseconds of observed time.
pub const PARDON_MS: u64 = 3_600_000;
/// How often the time until a disk is well again may double.
const RELAPSES_MAX: u8 = 6;

/// When a disk is slow; the leader's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowRules {
    /// For how long it has to be bad without a break, in milliseconds of observed time.
    pub slow_after_ms: u64,
    /// For how long it has to be well to be taken back the first time, in milliseconds of observed time.
    pub well_after_ms: u64,
    /// A 95th percentile that is no longer than this is never bad, in microseconds.
    pub floor_us: u32,
    /// How many times the median of its peers' is bad.
    pub times: u32,
    /// Of fewer operations there is nothing to be said.
    pub samples_min: u32,
}

impl Default for SlowRules {
    fn default() -> Self {
        Self {
            slow_after_ms: 120_000, // twice what a report covers: one hiccup is not enough
            well_after_ms: 300_000,
            floor_us: 250_000,
            times: 8,
            samples_min: 10,
        }
    }
}

/// What is known of a disk's speed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// Reads, as last reported.
    pub reads: Latency,
    /// Writes and erasures, as last reported.
    pub writes: Latency,
    /// Observed time of that report.
    pub heard_ms: u64,
    /// Bad without a break since this observed time.
    pub bad_since_ms: Option<u64>,
    /// Not bad since this observed time.
    pub well_since_ms: Option<u64>,
    /// Not to be found slow before this observed time.
    pub pardoned_until_ms: u64,
    /// How often it was found slow.
    pub relapses: u8,
    /// It is slow.
    pub found_slow: bool,
    /// That is acted upon: it takes no writes.
    pub set_aside: bool,
}

impl Stored for Pace {
    const WHAT: &'static str = "registry_paces";
}

/// One look at a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Bad,
    Well,
}

impl Pace {
    /// Takes in what was reported.
    pub(crate) fn note(&mut self, said: &DiskPace, observed_ms: u64) {
        self.reads = said.reads;
        self.writes = said.writes;
        self.heard_ms = observed_ms;
    }

    /// Draws the conclusion from one more look.
    pub(crate) fn conclude(&mut self, look: Look, rules: &SlowRules, observed_ms: u64) {
        match look {
            Look::Bad => {
                self.well_since_ms = None;
                let since = *self.bad_since_ms.get_or_insert(observed_ms);
                let lasts = observed_ms.saturating_sub(since) >= rules.slow_after_ms.max(1);
                if lasts && !self.found_slow && observed_ms >= self.pardoned_until_ms {
                    self.found_slow = true;
                    self.relapses = (self.relapses + 1).min(RELAPSES_MAX);
                }
            }
            Look::Well => {
                self.bad_since_ms = None;
                let since = *self.well_since_ms.get_or_insert(observed_ms);
                let for_ms = observed_ms.saturating_sub(since);
                if self.found_slow && for_ms >= self.well_after_ms(rules) {
                    self.found_slow = false;
                } else if !self.found_slow && for_ms >= self.well_after_ms(rules).saturating_mul(4)
                {
                    self.relapses = 0;
                }
            }
        }
    }

    /// A person wants the disk active: what was found is forgotten, and nothing is found for a while.
    pub(crate) fn pardon(&mut self, observed_ms: u64) {
        *self = Self {
            reads: self.reads,
            writes: self.writes,
            heard_ms: self.heard_ms,
            pardoned_until_ms: observed_ms.saturating_add(PARDON_MS),
            ..Self::default()
        };
    }

    fn well_after_ms(&self, rules: &SlowRules) -> u64 {
        let doublings = u32::from(self.relapses.saturating_sub(1));
        rules.well_after_ms.saturating_mul(1 << doublings.min(16))
    }
}

/// Kinds of operations, compared apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Reads,
    Writes,
}

const KINDS: [Kind; 2] = [Kind::Reads, Kind::Writes];

const fn latency(pace: &Pace, kind: Kind) -> Latency {
    match kind {
        Kind::Reads => pace.reads,
        Kind::Writes => pace.writes,
    }
}

/// What the disks of each class take, for comparison.
pub(crate) struct Peers<'a> {
    rules: &'a SlowRules,
    /// In ascending order.
    p95s_us: BTreeMap<(StorageClass, Kind), Vec<u32>>,
}

impl<'a> Peers<'a> {
    /// Gathers what was heard lately of disks that serve.
    pub(crate) fn of(
        services: &BTreeMap<BlockServiceId, ServiceRecord>,
        rules: &'a SlowRules,
        observed_ms: u64,
    ) -> Self {
        let mut p95s_us: BTreeMap<_, Vec<u32>> = BTreeMap::new();
        for record in services.values() {
            let (condition, pace) = (&record.condition, &record.condition.pace);
            let is_old = observed_ms.saturating_sub(pace.heard_ms) > PACE_AGE_MS_MAX;
            if is_old || condition.stale || condition.is_decommissioned() {
                continue;
            }
            for kind in KINDS {
                let of_kind = latency(pace, kind);
                if of_kind.count >= rules.samples_min {
                    let of_class = p95s_us.entry((record.class, kind)).or_default();
                    of_class.push(of_kind.p95_us);
                }
            }
        }
        p95s_us.values_mut().for_each(|p95s| p95s.sort_unstable());
        Self { rules, p95s_us }
    }

    /// Looks at a disk that was gathered, too.
    pub(crate) fn look(&self, record: &ServiceRecord) -> Look {
        let pace = &record.condition.pace;
        let is_bad = KINDS.into_iter().any(|kind| {
            let of_disk = latency(pace, kind);
            of_disk.count >= self.rules.samples_min
                && self
                    .limit_us(record.class, kind, pace)
                    .is_some_and(|limit_us| u64::from(of_disk.p95_us) > limit_us)
        });
        if is_bad { Look::Bad } else { Look::Well }
    }

    /// Above this it is bad; half of that for a disk that was found slow. `None` without enough peers.
    fn limit_us(&self, class: StorageClass, kind: Kind, pace: &Pace) -> Option<u64> {
        let p95s = self.p95s_us.get(&(class, kind))?;
        // The disk itself is among them, and does not count as its own peer.
        let peers = p95s.len().checked_sub(1).filter(|n| *n >= PEERS_MIN)?;
        let own = p95s.partition_point(|p95| *p95 < latency(pace, kind).p95_us);
        let middle = peers / 2;
        let median = p95s.get(if middle < own { middle } else { middle + 1 })?;
        let limit_us =
            (u64::from(*median) * u64::from(self.rules.times)).max(u64::from(self.rules.floor_us));
        Some(if pace.found_slow {
            limit_us / 2
        } else {
            limit_us
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eggs_machine::{from_bytes, to_bytes};

    const RULES: SlowRules = SlowRules {
        slow_after_ms: 100,
        well_after_ms: 200,
        floor_us: 1,
        times: 8,
        samples_min: 1,
    };

    fn after(pace: Pace, look: Look, from_ms: u64, until_ms: u64) -> Pace {
        let mut pace = pace;
        for ms in (from_ms..=until_ms).step_by(10) {
            pace.conclude(look, &RULES, ms);
        }
        pace
    }

    #[test]
    fn bad_for_a_while_is_slow_and_well_for_longer_is_not() {
        let pace = after(Pace::default(), Look::Bad, 1000, 1090);
        assert!(!pace.found_slow);
        let mut broken = pace;
        broken.conclude(Look::Well, &RULES, 1095);
        assert!(!after(broken, Look::Bad, 1100, 1190).found_slow);
        let slow = after(pace, Look::Bad, 1100, 1100);
        assert!(slow.found_slow);
        assert!(after(slow, Look::Well, 1110, 1300).found_slow);
        let well = after(slow, Look::Well, 1110, 1310);
        assert!(!well.found_slow);
        // The second time it takes twice as long.
        let again = after(well, Look::Bad, 2000, 2100);
        assert!(again.found_slow);
        assert!(after(again, Look::Well, 2110, 2500).found_slow);
        assert!(!after(again, Look::Well, 2110, 2510).found_slow);
    }

    #[test]
    fn a_pardoned_disk_is_left_alone() {
        let mut pace = after(Pace::default(), Look::Bad, 0, 200);
        pace.pardon(200);
        let left = after(pace, Look::Bad, 210, 10_000);
        assert!(!left.found_slow);
        assert!(after(left, Look::Bad, PARDON_MS + 200, PARDON_MS + 200).found_slow);
    }

    #[test]
    fn bytes_are_pinned() {
        let pace = Pace {
            reads: Latency {
                count: 1,
                p50_us: 2,
                p95_us: 3,
                p99_us: 4,
            },
            heard_ms: 5,
            bad_since_ms: Some(6),
            pardoned_until_ms: 7,
            relapses: 8,
            found_slow: true,
            ..Pace::default()
        };
        let bytes = to_bytes(&pace);
        let expected = [1, 1, 2, 3, 4, 0, 0, 0, 0, 5, 1, 6, 0, 7, 8, 1, 0];
        assert_eq!(bytes, expected);
        assert_eq!(from_bytes::<Pace>(&bytes).unwrap(), pace);
    }
}
