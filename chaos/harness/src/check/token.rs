//! A token is one file that is renamed from directory to directory: at any moment it is in exactly one of them.

use super::linear::Model;

/// Where a token is; nowhere before it is placed.
pub(super) struct Token;

/// What happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Place(u64),
    Move {
        from: u64,
        to: u64,
    },
    /// It was looked for, or a move was refused for that reason.
    Seen {
        at: u64,
        found: bool,
    },
}

impl Model for Token {
    type State = Option<u64>;
    type Action = Action;

    fn step(&self, place: &Option<u64>, action: &Action) -> Option<Option<u64>> {
        match action {
            Action::Place(at) => place.is_none().then_some(Some(*at)),
            Action::Move { from, to } => (*place == Some(*from)).then_some(Some(*to)),
            Action::Seen { at, found } => ((*place == Some(*at)) == *found).then_some(*place),
        }
    }

    fn only_reads(&self, action: &Action) -> bool {
        match action {
            Action::Seen { .. } => true,
            Action::Place(_) | Action::Move { .. } => false,
        }
    }
}
