//! The contract between a machine and whatever drives it.

use eggs_proto::Time;

use crate::Store;

/// Local breakage: a dying disk, a value that does not decode, a bug. Stops this replica; never
/// answered to a client as if it were a decision.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(String),
    /// A stored value is not what this version writes.
    #[error("stored state is damaged: {0}")]
    Damaged(String),
    /// A committed log entry does not decode.
    #[error("a committed entry is damaged: {0}")]
    Entry(String),
}

/// What a command sees besides the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApplyContext {
    /// Log time of this command: later than that of every command before it in this group.
    pub now: Time,
}

/// What a command came to. Both are replicated and remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done: its changes stay.
    Accepted(Vec<u8>),
    /// A deterministic "no": none of its changes stay.
    Refused(Vec<u8>),
}

/// A replicated state machine.
///
/// **Invariant:** `apply` is a function of the store's content, the context and the command alone: no clock, no
/// randomness, no iteration over hash maps, nothing remembered in `self`.
pub trait StateMachine: Send + Sync + 'static {
    /// Applies one command. Never panics, whatever the bytes are.
    fn apply(
        &self,
        store: &mut dyn Store,
        context: ApplyContext,
        command: &[u8],
    ) -> Result<Outcome, Fault>;
}
