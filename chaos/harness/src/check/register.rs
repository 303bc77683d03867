//! A register is a file that is made, replaced, deleted and read whole.

use super::linear::Model;

/// A file that holds one value, or is not there.
pub(super) struct Register;

/// What happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Create(u64),
    Replace(u64),
    Delete,
    Read(Option<u64>),
    /// Creation was refused because it was there.
    WasThere,
    /// Deletion was refused because it was not there.
    WasNotThere,
}

impl Model for Register {
    type State = Option<u64>;
    type Action = Action;

    fn step(&self, state: &Option<u64>, action: &Action) -> Option<Option<u64>> {
        match action {
            Action::Create(value) => state.is_none().then_some(Some(*value)),
            Action::Replace(value) => Some(Some(*value)),
            Action::Delete => state.is_some().then_some(None),
            Action::Read(value) => (value == state).then_some(*state),
            Action::WasThere => state.is_some().then_some(*state),
            Action::WasNotThere => state.is_none().then_some(None),
        }
    }

    fn only_reads(&self, action: &Action) -> bool {
        match action {
            Action::Read(_) | Action::WasThere | Action::WasNotThere => true,
            Action::Create(_) | Action::Replace(_) | Action::Delete => false,
        }
    }
}
