//! What a person wants of a disk, what the registry has seen of it, and what follows.

use eggs_proto::ServiceState;
use eggs_proto::registry::StateReason;
use serde::{Deserialize, Serialize};

use crate::pace::Pace;

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
    /// How long it takes; stored apart, see [`crate::services`].
    #[serde(skip)]
    pub pace: Pace,
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
            Some(ServiceState::Active | ServiceState::Stale) | None
                if self.fenced || self.pace.set_aside =>
            {
                ServiceState::NoWrite
            }
            Some(ServiceState::Active | ServiceState::Stale) | None => ServiceState::Active,
        }
    }

    /// Why it is not active; `None` if it is.
    pub const fn reason(&self) -> Option<StateReason> {
        match self.effective() {
            ServiceState::Active => None,
            ServiceState::Stale if self.stale => Some(StateReason::Silent),
            ServiceState::NoRead
            | ServiceState::NoWrite
            | ServiceState::Stale
            | ServiceState::Decommissioned
                if self.manual.is_some() =>
            {
                Some(StateReason::ByHand)
            }
            ServiceState::NoWrite if !self.fenced => Some(StateReason::Slow),
            ServiceState::NoRead
            | ServiceState::NoWrite
            | ServiceState::Stale
            | ServiceState::Decommissioned => Some(StateReason::Errors),
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
    fn a_slow_disk_takes_no_writes_unless_a_person_says_otherwise() {
        let slow = |manual| ServiceCondition {
            manual,
            pace: Pace {
                set_aside: true,
                ..Pace::default()
            },
            ..ServiceCondition::default()
        };
        let of = |manual| (slow(manual).effective(), slow(manual).reason());
        let (by_hand, is_slow) = (Some(StateReason::ByHand), Some(StateReason::Slow));
        assert_eq!(of(None), (ServiceState::NoWrite, is_slow));
        let no_read = ServiceState::NoRead;
        assert_eq!(of(Some(no_read)), (no_read, by_hand));
        let given_up = ServiceState::Decommissioned;
        assert_eq!(of(Some(given_up)), (given_up, by_hand));
        let no_write = ServiceState::NoWrite;
        assert_eq!(of(Some(no_write)), (no_write, by_hand));
    }

    #[test]
    fn hand_set_states_survive_what_is_observed() {
        let effective = |manual, stale, fenced| {
            ServiceCondition {
                manual,
                stale,
                fence_reported: fenced,
                fenced,
                ..ServiceCondition::default()
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
