//! What a person wants of a disk, what the registry has seen of it, and what follows.

use eggs_proto::ServiceState;
use serde::{Deserialize, Serialize};

/// Wishes and observations about a disk, kept apart.
///
/// **Invariant:** observations never change what was set by hand, and the other way round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceCondition {
    /// Set by hand: `NoRead`, `NoWrite` or `Decommissioned`.
    pub manual: Option<ServiceState>,
    /// Not heard of for too long.
    pub stale: bool,
    /// Its process refuses writes because of I/O errors.
    pub fence_reported: bool,
    /// That report is honoured; see the guard.
    pub fenced: bool,
    /// I/O errors since its process started.
    pub io_errors: u64,
}

impl ServiceCondition {
    /// The state that clients see.
    pub const fn effective(&self) -> ServiceState {
        match self.manual {
            Some(ServiceState::Decommissioned) => ServiceState::Decommissioned,
            _ if self.stale => ServiceState::Stale,
            // Neither reads nor writes: the one state that says so.
            Some(ServiceState::NoRead) if self.fenced => ServiceState::Stale,
            Some(ServiceState::NoRead) => ServiceState::NoRead,
            Some(ServiceState::NoWrite) => ServiceState::NoWrite,
            Some(ServiceState::Active | ServiceState::Stale) | None if self.fenced => {
                ServiceState::NoWrite
            }
            Some(ServiceState::Active | ServiceState::Stale) | None => ServiceState::Active,
        }
    }

    /// Whether a person has given it up.
    pub const fn is_decommissioned(&self) -> bool {
        matches!(self.manual, Some(ServiceState::Decommissioned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hand_set_states_survive_what_is_observed() {
        let effective = |manual, stale, fenced| {
            ServiceCondition {
                manual,
                stale,
                fence_reported: fenced,
                fenced,
                io_errors: 0,
            }
            .effective()
        };
        use ServiceState::{Active, Decommissioned, NoRead, NoWrite, Stale};
        let table = [
            (None, false, false, Active),
            (None, true, false, Stale),
            (None, false, true, NoWrite),
            (None, true, true, Stale),
            (Some(NoWrite), false, false, NoWrite),
            (Some(NoWrite), true, false, Stale),
            (Some(NoWrite), false, true, NoWrite),
            (Some(NoRead), false, false, NoRead),
            (Some(NoRead), false, true, Stale),
            (Some(NoRead), true, false, Stale),
            (Some(Decommissioned), true, true, Decommissioned),
            (Some(Decommissioned), false, false, Decommissioned),
        ];
        for (manual, stale, fenced, expected) in table {
            assert_eq!(
                effective(manual, stale, fenced),
                expected,
                "{manual:?} stale={stale} fenced={fenced}"
            );
        }
    }
}
