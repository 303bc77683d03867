//! Block services that recently failed or were slow: asked last for a few seconds.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use eggs_proto::{BlockServiceId, EXCLUDE_MAX};
use tokio::time::Instant;

/// How long a failure is held against a service.
const SUSPECT: Duration = Duration::from_secs(10);
/// How long slowness is held against a service.
const SLOW: Duration = Duration::from_secs(3);
/// More than this many are not remembered: something else is wrong then.
const SUSPECTS_MAX: usize = 4096;

/// What a service did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Failed,
    Slow,
}

#[derive(Debug, Default)]
pub(crate) struct Suspects(Mutex<HashMap<BlockServiceId, (Instant, Fault)>>);

impl Suspects {
    pub(crate) fn add(&self, service: BlockServiceId, fault: Fault) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if all.len() >= SUSPECTS_MAX {
            all.retain(|_, (until, _)| *until > now);
        }
        if all.len() < SUSPECTS_MAX {
            let until = match fault {
                Fault::Failed => now + SUSPECT,
                Fault::Slow => now + SLOW,
            };
            all.insert(service, (until, fault));
        }
    }

    pub(crate) fn contains(&self, service: BlockServiceId) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&service)
            .is_some_and(|(until, _)| *until > Instant::now())
    }

    /// Those that failed, for an exclusion list.
    pub(crate) fn failed(&self) -> Vec<BlockServiceId> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let bad = all
            .iter()
            .filter(|(_, (until, fault))| *until > now && *fault == Fault::Failed);
        let mut ids: Vec<_> = bad.map(|(service, _)| *service).take(EXCLUDE_MAX).collect();
        ids.sort_unstable();
        ids
    }
}
