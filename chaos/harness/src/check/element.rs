//! One name of a directory: it is made once and perhaps removed, and each listing either has it or not.

use super::linear::Model;

/// Whether a name is there.
pub(super) struct Element;

/// What happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Add,
    Remove,
    /// A listing had it or not, or a change was refused for that reason.
    Seen(bool),
}

impl Model for Element {
    type State = bool;
    type Action = Action;

    fn step(&self, there: &bool, action: &Action) -> Option<bool> {
        match action {
            Action::Add => (!there).then_some(true),
            Action::Remove => there.then_some(false),
            Action::Seen(seen) => (seen == there).then_some(*there),
        }
    }

    fn only_reads(&self, action: &Action) -> bool {
        match action {
            Action::Seen(_) => true,
            Action::Add | Action::Remove => false,
        }
    }
}
