//! Block services that failed or were slow: read from last, and given no new blocks, until they have answered a probe.
//!
//! A suspicion does not end by itself: a paused service would be waited for again each time it did, by all that is under
//! way. Instead one small request in the background asks now and then, with growing pauses.
//!
//! A service that answers probes may still be bad at writing: its disk is full, or takes long to sync. Blocks are kept from
//! it for a while after each failure, twice as long if it fails again soon.
//!
//! **Invariant:** a service that is suspected is trusted again only by [`Suspects::trust`], and of all that look at it, one is
//! told to probe in each pause.
//!
//! **Invariant:** only what was seen lately keeps a service from being used at all: old news must not cost redundancy.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eggs_proto::{BlockServiceId, EXCLUDE_MAX};
pub(crate) use probe::{NO_BLOCK, probe};
use tokio::time::Instant;

/// For how long it is certain that a service is no good after it failed, at least.
const CERTAIN: Duration = Duration::from_secs(10);
/// How long new blocks are kept from a service that failed to store one. Each time is twice as long as the one before.
const BARRED_MIN: Duration = Duration::from_secs(10);
/// The longest time.
const BARRED_MAX: Duration = Duration::from_secs(300);
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
    /// It could not be reached, or did not answer.
    Failed,
    /// Others answered much faster.
    Slow,
    /// It answered that it does not take a block.
    WriteRefused,
    /// Others stored their blocks much faster.
    WriteSlow,
}

/// What a read should think of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Trusted,
    Suspected,
    /// Suspected, and whoever is told so should probe it.
    ProbeDue,
}

/// What a write should think of all services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Avoided {
    /// They take no blocks now. In order.
    pub(crate) failed: Vec<BlockServiceId>,
    /// They would probably take long. In order.
    pub(crate) slow: Vec<BlockServiceId>,
    /// Whoever is told so should probe them.
    pub(crate) probes_due: Vec<BlockServiceId>,
}

#[derive(Clone, Copy, Debug)]
struct Suspicion {
    /// When it last failed, if it did.
    failed: Option<Instant>,
    probe_at: Instant,
    pause: Duration,
}

/// New blocks go elsewhere.
#[derive(Clone, Copy, Debug)]
struct Bar {
    fault: Fault,
    until: Instant,
    length: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    suspicion: Option<Suspicion>,
    bar: Option<Bar>,
}

#[derive(Debug, Default)]
pub(crate) struct Suspects(Mutex<HashMap<BlockServiceId, Known>>);

impl Suspects {
    fn lock(&self) -> MutexGuard<'_, HashMap<BlockServiceId, Known>> {
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
        self.trust_at(service, Instant::now());
    }

    /// Where new blocks should not go.
    pub(crate) fn avoided(&self) -> Avoided {
        self.avoided_at(Instant::now())
    }

    fn add_at(&self, service: BlockServiceId, fault: Fault, now: Instant) {
        let mut all = self.lock();
        if all.len() >= REMEMBERED_MAX {
            all.retain(|_, known| known.matters(now));
        }
        if all.len() >= REMEMBERED_MAX && !all.contains_key(&service) {
            return;
        }
        let known = all.entry(service).or_default();
        match fault {
            Fault::Failed => known.suspect(now).failed = Some(now),
            Fault::Slow => {
                known.suspect(now);
            }
            Fault::WriteRefused => known.bar(fault, now),
            Fault::WriteSlow => {
                known.suspect(now);
                known.bar(fault, now);
            }
        }
    }

    fn look_at(&self, service: BlockServiceId, now: Instant) -> Look {
        let mut all = self.lock();
        let suspicion = all.get_mut(&service).and_then(|k| k.suspicion.as_mut());
        match suspicion.map(|suspicion| suspicion.probe_is_due(now)) {
            None => Look::Trusted,
            Some(true) => Look::ProbeDue,
            Some(false) => Look::Suspected,
        }
    }

    fn trust_at(&self, service: BlockServiceId, now: Instant) {
        let mut all = self.lock();
        if let Some(known) = all.get_mut(&service) {
            known.suspicion = None;
            if !known.matters(now) {
                all.remove(&service);
            }
        }
    }

    fn avoided_at(&self, now: Instant) -> Avoided {
        let mut avoided = Avoided::default();
        for (service, known) in &mut *self.lock() {
            if known.has_failed(now) {
                avoided.failed.push(*service);
            } else if known.suspicion.is_some() || known.barred(now).is_some() {
                avoided.slow.push(*service);
            }
            if let Some(suspicion) = &mut known.suspicion
                && suspicion.probe_is_due(now)
            {
                avoided.probes_due.push(*service);
            }
        }
        avoided.failed.sort_unstable();
        avoided.failed.truncate(EXCLUDE_MAX);
        avoided.slow.sort_unstable();
        avoided
    }
}

impl Known {
    /// What is suspected already keeps its pause: many requests find out at the same time.
    fn suspect(&mut self, now: Instant) -> &mut Suspicion {
        self.suspicion.get_or_insert(Suspicion {
            failed: None,
            probe_at: now + PAUSE_MIN,
            pause: PAUSE_MIN,
        })
    }

    fn bar(&mut self, fault: Fault, now: Instant) {
        let length = match self.bar {
            // Many blocks find out at the same time.
            Some(bar) if now < bar.until => {
                if bar.fault == Fault::WriteSlow {
                    self.bar = Some(Bar { fault, ..bar });
                }
                return;
            }
            Some(bar) if now < bar.until + bar.length => (bar.length * 2).min(BARRED_MAX),
            Some(_) | None => BARRED_MIN,
        };
        self.bar = Some(Bar {
            fault,
            until: now + length,
            length,
        });
    }

    /// Why new blocks are kept from it.
    fn barred(&self, now: Instant) -> Option<Fault> {
        let bar = self.bar.filter(|bar| now < bar.until)?;
        Some(bar.fault)
    }

    fn has_failed(&self, now: Instant) -> bool {
        let of_late = |suspicion: &Suspicion| {
            let certain = CERTAIN.max(suspicion.pause * 2);
            suspicion.failed.is_some_and(|at| now < at + certain)
        };
        self.barred(now) == Some(Fault::WriteRefused)
            || self.suspicion.as_ref().is_some_and(of_late)
    }

    /// Whether forgetting it would make a difference.
    fn matters(&self, now: Instant) -> bool {
        let suspected = self.suspicion.is_some_and(|it| it.probe_at + UNUSED > now);
        suspected || self.bar.is_some_and(|bar| now < bar.until + bar.length)
    }
}

impl Suspicion {
    fn probe_is_due(&mut self, now: Instant) -> bool {
        if now < self.probe_at {
            return false;
        }
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        self.probe_at = now + self.pause;
        true
    }
}

mod probe;
#[cfg(test)]
mod tests;
