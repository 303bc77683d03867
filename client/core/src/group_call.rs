//! Asking a group until it answers or the deadline passes.
//!
//! **Invariant:** the bytes of a request never change from attempt to attempt, so that a change carries the same
//! request id until an answer is known.

use std::time::Duration;

use bytes::Bytes;
use eggs_proto::{
    CallError, CallResult, ClusterMap, GroupId, MessageKind, NodeId, Refusal, decode,
};
use eggs_rpc::RpcError;
use serde::de::DeserializeOwned;

use crate::client::Inner;
use crate::deadline::{Backoff, Deadline};
use crate::error::ClientError;
use crate::routing::{self, Next, Pause, Route, Target};

/// One request to a group.
pub(crate) struct GroupCall {
    pub(crate) group: GroupId,
    pub(crate) kind: MessageKind,
    pub(crate) body: Bytes,
    /// How long one attempt may take.
    pub(crate) attempt: Duration,
    pub(crate) by: By,
}

/// Who may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The leader.
    Leader,
    /// Any replica; the number says whom to ask first.
    Anybody(usize),
}

impl GroupCall {
    pub(crate) fn what(&self) -> String {
        self.group.to_string()
    }
}

/// Why an attempt had no decision of the group as its result.
enum Failure {
    Rpc(RpcError),
    Call(CallError),
    Nonsense,
}

impl Inner {
    /// Asks until there is a decision or the deadline has passed.
    pub(crate) async fn call_group<T: DeserializeOwned>(
        &self,
        call: &GroupCall,
        deadline: Deadline,
    ) -> Result<T, ClientError> {
        let mut route = Route::new(match call.by {
            By::Leader => rand::random::<u16>().into(),
            By::Anybody(turn) => turn,
        });
        let mut backoff = Backoff::new();
        let mut last: Option<Failure> = None;
        let mut strangers = 0;
        loop {
            let Some(timeout) = deadline.clip(call.attempt) else {
                return Err(too_late(call, last));
            };
            let targets = self.targets(call.group);
            let (first, willing) = match call.by {
                By::Leader => (self.leader(call.group), None),
                By::Anybody(_) => (None, Some(self.shunned.without(targets.clone()))),
            };
            let chosen = route.choose(willing.as_deref().unwrap_or(&targets), first);
            let Some(target) = chosen else {
                self.refresh_soon();
                if !backoff.pause(deadline).await {
                    return Err(too_late(call, last));
                }
                continue;
            };
            let failure = match self.attempt(call, target, timeout).await {
                Ok(answer) => {
                    if call.by == By::Leader {
                        self.leaders.set(call.group, target.node);
                    }
                    return Ok(answer);
                }
                Err(failure) => failure,
            };
            let next = match &failure {
                // Perhaps another cluster's process has taken an address of ours.
                Failure::Rpc(error) if !error.is_retryable() && strangers + 1 < targets.len() => {
                    strangers += 1;
                    Next::ElsewhereWithNewMap
                }
                Failure::Rpc(error) => routing::after_rpc_error(error),
                Failure::Call(error) => routing::after_call_error(error, target.node),
                Failure::Nonsense => Next::GiveUp,
            };
            self.note_failure(call, target, next);
            match next {
                Next::GiveUp => return Err(hopeless(call, failure)),
                Next::ElsewhereWithNewMap => self.refresh_soon(),
                Next::Elsewhere => {}
                // It has become a member since the map was made.
                Next::Named(node) if targets.iter().all(|t| t.node != Some(node)) => {
                    self.refresh_soon();
                }
                Next::Named(_) | Next::Again => {}
            }
            tracing::debug!(group = %call.group, ?next, cause = %describe(&failure), "asking again");
            let locked = matches!(failure, Failure::Call(CallError::Refused(Refusal::Locked)));
            if locked {
                return Err(Refusal::Locked.into()); // decided: the caller asks anew with a new id
            }
            last = Some(failure);
            if route.note(next, target) == Pause::Yes && !backoff.pause(deadline).await {
                return Err(too_late(call, last));
            }
        }
    }

    /// Forgets who seemed to lead, or whom to ask for reads, when they did not answer.
    fn note_failure(&self, call: &GroupCall, asked: Target, next: Next) {
        match (next, call.by) {
            (Next::Elsewhere | Next::ElsewhereWithNewMap, By::Leader) => {
                self.leaders.set(call.group, None);
            }
            (Next::Elsewhere | Next::ElsewhereWithNewMap | Next::Named(_), By::Anybody(_)) => {
                if let Some(node) = asked.node {
                    self.shunned.add(node);
                }
            }
            (Next::Named(_), By::Leader) | (Next::Again | Next::GiveUp, _) => {}
        }
    }

    fn targets(&self, group: GroupId) -> Vec<Target> {
        routing::targets(&self.map.current(), group, &self.config.registry)
    }

    /// Who led the group when it last answered, or who the map says does.
    fn leader(&self, group: GroupId) -> Option<NodeId> {
        let hint = |map: &ClusterMap| map.groups.get(usize::from(group.0))?.leader;
        self.leaders
            .get(group)
            .or_else(|| hint(&self.map.current()))
    }

    async fn attempt<T: DeserializeOwned>(
        &self,
        call: &GroupCall,
        target: Target,
        timeout: Duration,
    ) -> Result<T, Failure> {
        let body = call.body.clone();
        let reply = self
            .rpc
            .call(target.address, call.kind, timeout, body, Bytes::new());
        let reply = reply.await.map_err(Failure::Rpc)?;
        let result: CallResult<T> = decode(&reply.body).map_err(|_| Failure::Nonsense)?;
        result.map_err(Failure::Call)
    }
}

fn describe(failure: &Failure) -> String {
    match failure {
        Failure::Rpc(error) => error.to_string(),
        Failure::Call(error) => error.to_string(),
        Failure::Nonsense => "the answer does not decode".to_owned(),
    }
}

fn hopeless(call: &GroupCall, failure: Failure) -> ClientError {
    let what = call.what();
    match failure {
        Failure::Call(CallError::Refused(refusal)) => refusal.into(),
        Failure::Call(CallError::Forbidden) => Refusal::Forbidden.into(),
        Failure::Rpc(RpcError::Unauthorized { .. }) => ClientError::Unauthorized {
            cause: describe(&failure),
        },
        Failure::Rpc(_) => ClientError::Unreachable {
            what,
            cause: describe(&failure),
        },
        Failure::Call(_) | Failure::Nonsense => ClientError::Protocol { what },
    }
}

fn too_late(call: &GroupCall, last: Option<Failure>) -> ClientError {
    let what = call.what();
    match last {
        Some(Failure::Rpc(RpcError::Deadline { .. }) | Failure::Call(CallError::Deadline)) => {
            ClientError::Deadline { what }
        }
        Some(failure) => ClientError::Unreachable {
            what,
            cause: describe(&failure),
        },
        None => ClientError::Unreachable {
            what,
            cause: "no replica of it is in the cluster map".to_owned(),
        },
    }
}
