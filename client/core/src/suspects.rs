//! Block services that failed or were slow: read from last until they have answered a probe.
//!
//! A suspicion does not end by itself: a paused service would be waited for again each time it did, by all reads that are
//! under way. Instead one small request in the background asks now and then, with growing pauses.
//!
//! **Invariant:** a service that is suspected is trusted again only by [`Suspects::trust`], and of all reads that look at it, one is
//! told to probe in each pause.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eggs_proto::{BlockServiceId, EXCLUDE_MAX};
use tokio::time::Instant;

/// How long new blocks are kept from a service that failed.
const EXCLUDED: Duration = Duration::from_secs(10);
/// From the beginning of a suspicion to the first probe.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest time between two probes. Each pause is twice the one before.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A service that nobody looked at for so long may be forgotten to make room.
const UNUSED: Duration = Duration::from_secs(300);
/// More than this many are not remembered: something else is wrong then.
const REMEMBERED_MAX: usize = 4096;

/// What a service did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Failed,
    Slow,
}

/// What a read should think of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Trusted,
    Suspected,
    /// Suspected, and whoever is told so should probe it.
    ProbeDue,
}

#[derive(Clone, Copy, Debug)]
struct Suspicion {
    /// New blocks go elsewhere until then.
    excluded_until: Option<Instant>,
    probe_at: Instant,
    pause: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Suspects(Mutex<HashMap<BlockServiceId, Suspicion>>);

impl Suspects {
    fn lock(&self) -> MutexGuard<'_, HashMap<BlockServiceId, Suspicion>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, service: BlockServiceId, fault: Fault) {
        self.add_at(service, fault, Instant::now());
    }

    pub(crate) fn look(&self, service: BlockServiceId) -> Look {
        self.look_at(service, Instant::now())
    }

    /// The service answered in time.
    pub(crate) fn trust(&self, service: BlockServiceId) {
        self.lock().remove(&service);
    }

    /// Those that failed lately, for an exclusion list.
    pub(crate) fn failed(&self) -> Vec<BlockServiceId> {
        self.failed_at(Instant::now())
    }

    fn add_at(&self, service: BlockServiceId, fault: Fault, now: Instant) {
        let mut all = self.lock();
        if all.len() >= REMEMBERED_MAX {
            all.retain(|_, known| known.probe_at + UNUSED > now);
        }
        if all.len() >= REMEMBERED_MAX && !all.contains_key(&service) {
            return;
        }
        // What is suspected already keeps its pause: many requests find out at the same time.
        let known = all.entry(service).or_insert(Suspicion {
            excluded_until: None,
            probe_at: now + PAUSE_MIN,
            pause: PAUSE_MIN,
        });
        match fault {
            Fault::Failed => known.excluded_until = Some(now + EXCLUDED),
            Fault::Slow => {}
        }
    }

    fn look_at(&self, service: BlockServiceId, now: Instant) -> Look {
        let mut all = self.lock();
        let Some(known) = all.get_mut(&service) else {
            return Look::Trusted;
        };
        if now < known.probe_at {
            return Look::Suspected;
        }
        known.pause = (known.pause * 2).min(PAUSE_MAX);
        known.probe_at = now + known.pause;
        Look::ProbeDue
    }

    fn failed_at(&self, now: Instant) -> Vec<BlockServiceId> {
        let all = self.lock();
        let excluded = all
            .iter()
            .filter(|(_, known)| known.excluded_until.is_some_and(|until| until > now));
        let mut ids: Vec<_> = excluded.map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids.truncate(EXCLUDE_MAX);
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: BlockServiceId = BlockServiceId(7);

    /// When probes are due in ten minutes in which 16 reads look every 100 ms, in tenths of a second.
    fn probes(suspects: &Suspects, began: Instant) -> Vec<u32> {
        let mut probes = Vec::new();
        for tenth in 0..6000 {
            let now = began + Duration::from_millis(100) * tenth;
            for _ in 0..16 {
                match suspects.look_at(SERVICE, now) {
                    Look::Trusted => panic!("trusted without an answer, after {tenth}"),
                    Look::Suspected => {}
                    Look::ProbeDue => {
                        probes.push(tenth);
                        // It is slow still, and so say all who waited for it.
                        suspects.add_at(SERVICE, Fault::Slow, now);
                        suspects.add_at(SERVICE, Fault::Failed, now);
                    }
                }
            }
        }
        probes
    }

    #[test]
    fn one_read_of_all_probes_with_growing_pauses_and_the_others_keep_away() {
        let suspects = Suspects::default();
        let began = Instant::now();
        assert_eq!(suspects.look_at(SERVICE, began), Look::Trusted);
        suspects.add_at(SERVICE, Fault::Slow, began);
        let probes = probes(&suspects, began);
        assert_eq!(probes[..7], [10, 30, 70, 150, 310, 610, 910]);
        assert_eq!(probes.len(), 5 + 18);
    }

    #[test]
    fn an_answer_ends_it_and_the_pauses_begin_anew() {
        let suspects = Suspects::default();
        let began = Instant::now();
        suspects.add_at(SERVICE, Fault::Failed, began);
        probes(&suspects, began);
        suspects.trust(SERVICE);
        let later = began + Duration::from_secs(700);
        assert_eq!(suspects.look_at(SERVICE, later), Look::Trusted);
        suspects.add_at(SERVICE, Fault::Slow, later);
        let due = later + PAUSE_MIN;
        assert_eq!(suspects.look_at(SERVICE, due), Look::ProbeDue);
    }

    #[test]
    fn new_blocks_are_kept_from_what_failed_for_a_while() {
        let suspects = Suspects::default();
        let began = Instant::now();
        suspects.add_at(BlockServiceId(1), Fault::Slow, began);
        suspects.add_at(SERVICE, Fault::Failed, began);
        assert_eq!(suspects.failed_at(began), [SERVICE]);
        assert_eq!(suspects.failed_at(began + EXCLUDED), []);
        assert_eq!(suspects.look_at(SERVICE, began), Look::Suspected);
    }
}
