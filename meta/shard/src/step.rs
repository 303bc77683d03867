//! How an operation ends early.

use eggs_machine::Fault;
use eggs_proto::shard::ShardReply;
use eggs_proto::{ExtentProblem, InvalidArgument, Refusal};

/// An operation does not come to its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A deterministic "no".
    Refused(Refusal),
    /// Local breakage.
    Fault(Fault),
}

/// What a part of an operation comes to.
pub(crate) type Step<T> = Result<T, Stop>;
/// What a whole operation comes to.
pub(crate) type Reply = Step<ShardReply>;

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<InvalidArgument> for Stop {
    fn from(argument: InvalidArgument) -> Self {
        Self::Refused(Refusal::Invalid(argument))
    }
}

impl From<ExtentProblem> for Stop {
    fn from(problem: ExtentProblem) -> Self {
        Self::Refused(Refusal::BadExtent(problem))
    }
}

/// Splits refusals from faults, as the callers outside of this crate want them.
pub(crate) fn split<T>(result: Step<T>) -> Result<Result<T, Refusal>, Fault> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Stop::Refused(refusal)) => Ok(Err(refusal)),
        Err(Stop::Fault(fault)) => Err(fault),
    }
}
