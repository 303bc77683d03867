//! From the errors of consensus to those of the wire.

use bytes::Bytes;
use eggs_proto::{CallError, CallResult, InvalidArgument, Refusal, encode};
use eggs_raft::{ProposeError, ReadError};
use eggs_rpc::{Peer, Reply};
use serde::Serialize;

/// Logs what no well-behaved program is answered.
pub(crate) fn complain<T>(peer: &Peer, answer: &CallResult<T>) {
    if let Err(error) = answer
        && error.is_suspicious()
    {
        peer.complain(error);
    }
}

/// The frame of an answer.
pub(crate) fn reply<T: Serialize>(answer: &CallResult<T>) -> Reply {
    Reply {
        body: Bytes::from(encode(answer)),
        payload: Bytes::new(),
    }
}

pub(crate) fn of_propose(error: ProposeError) -> CallError {
    match error {
        ProposeError::NotLeader { leader } => CallError::NotLeader { leader },
        ProposeError::Overloaded => CallError::Overloaded,
        ProposeError::Deadline => CallError::Deadline,
        error @ ProposeError::Restoring => CallError::Unavailable(error.to_string()),
        ProposeError::Stopped => stopped(),
        ProposeError::TooLarge => CallError::Refused(Refusal::Invalid(InvalidArgument::Range)),
    }
}

pub(crate) fn of_read(error: ReadError) -> CallError {
    match error {
        ReadError::NotLeader { leader } => CallError::NotLeader { leader },
        ReadError::Deadline => CallError::Deadline,
        ReadError::Overloaded => CallError::Overloaded,
        error @ ReadError::Restoring => CallError::Unavailable(error.to_string()),
        ReadError::Stopped => stopped(),
    }
}

fn stopped() -> CallError {
    CallError::Unavailable("the replica is stopping".into())
}

/// What `metrics` call the outcome of a call.
pub(crate) fn outcome<T>(answer: &CallResult<T>) -> &'static str {
    match answer {
        Ok(_) => "ok",
        Err(CallError::Refused(_)) => "refused",
        Err(CallError::NotLeader { .. }) => "not_leader",
        Err(CallError::NotHosted) => "not_hosted",
        Err(CallError::Overloaded) => "overloaded",
        Err(CallError::Deadline) => "deadline",
        Err(CallError::Unavailable(_)) => "unavailable",
        Err(CallError::Malformed) => "malformed",
        Err(CallError::Forbidden) => "forbidden",
    }
}
