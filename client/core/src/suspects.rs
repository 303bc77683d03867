//! Block services that recently failed or were slow: asked last for a few seconds.

use std::time::Duration;

use eggs_proto::{BlockServiceId, EXCLUDE_MAX};

use crate::lately::Lately;

/// How long a failure is held against a service.
const SUSPECT: Duration = Duration::from_secs(10);
/// How long slowness is held against a service.
const SLOW: Duration = Duration::from_secs(3);

/// What a service did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Failed,
    Slow,
}

#[derive(Debug, Default)]
pub(crate) struct Suspects(Lately<BlockServiceId, Fault>);

impl Suspects {
    pub(crate) fn add(&self, service: BlockServiceId, fault: Fault) {
        let how_long = match fault {
            Fault::Failed => SUSPECT,
            Fault::Slow => SLOW,
        };
        self.0.note(service, fault, how_long);
    }

    pub(crate) fn contains(&self, service: BlockServiceId) -> bool {
        self.0.of(service).is_some()
    }

    /// Those that failed, for an exclusion list.
    pub(crate) fn failed(&self) -> Vec<BlockServiceId> {
        let all = self.0.all().into_iter();
        let failed = all.filter(|(_, fault)| *fault == Fault::Failed);
        let mut ids: Vec<_> = failed.map(|(id, _)| id).take(EXCLUDE_MAX).collect();
        ids.sort_unstable();
        ids
    }
}
