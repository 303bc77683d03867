//! What the parts of this process share.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use eggs_machine::{Command, CommandHeader};
use eggs_proto::registry::SpaceLevel;
use eggs_proto::{CallError, InvalidArgument, NodeId, Refusal, RequestId, decode, encode};
use eggs_raft::{Group, ProposeError, ReadError};
use eggs_registry_state::{RegistryCommand, RegistryOutcome, SlowRules, address_of};

use crate::beats::Beats;
use crate::clock;
use crate::config::Unknown;
use crate::freshness::Freshness;
use crate::paces::Paces;

/// This process's replica of the registry, and what it keeps in memory.
pub(crate) struct Replica {
    pub node: NodeId,
    pub unknown: Unknown,
    pub cluster_name: String,
    pub group: Group,
    pub beats: Beats,
    pub freshness: Freshness,
    pub stale_ms: u64,
    pub observe_every: Duration,
    pub paces: Paces,
    pub judge_every: Duration,
    pub slow: SlowRules,
}

/// Where a process serves, as a replica knows.
pub(crate) fn address(group: &Group, node: NodeId) -> Option<SocketAddr> {
    let known = group.read_local(|store| address_of(store, node));
    known.ok().flatten()?.parse().ok()
}

impl Replica {
    /// Where a process serves, as this replica knows.
    pub(crate) fn address(&self, node: NodeId) -> Option<SocketAddr> {
        address(&self.group, node)
    }

    /// Proposes a command and gives its answer.
    pub(crate) async fn propose(
        &self,
        command: &RegistryCommand,
        request: Option<RequestId>,
        deadline: Instant,
    ) -> RegistryOutcome {
        if self.group.space() != SpaceLevel::Ample && self.is_new(command)? {
            return Err(CallError::Refused(Refusal::MetadataFull));
        }
        let command = Command {
            header: CommandHeader {
                now: clock::now(),
                request,
            },
            body: encode(command),
        };
        let reply = self.group.propose(command, deadline).await;
        match reply.map_err(not_proposed) {
            Ok(reply) => decode(&reply).unwrap_or(Err(CallError::Malformed)),
            Err(error) => Err(error),
        }
    }
}

impl Replica {
    /// Whether a command would bring in a process that is not known: all else that the registry keeps is bounded by
    /// what it knows already. A repeat of it is harmless, so that nobody minds if the first one was taken after all.
    fn is_new(&self, command: &RegistryCommand) -> Result<bool, CallError> {
        let Some(node) = command.newcomer() else {
            return Ok(false);
        };
        let known = self.group.read_local(|store| address_of(store, node));
        known
            .map(|known| known.is_none())
            .map_err(|fault| crate::queries::unreadable(&fault))
    }
}

fn not_proposed(error: ProposeError) -> CallError {
    match error {
        ProposeError::NotLeader { leader } => CallError::NotLeader { leader },
        ProposeError::Overloaded => CallError::Overloaded,
        ProposeError::Deadline => CallError::Deadline,
        error @ ProposeError::Restoring => CallError::Unavailable(error.to_string()),
        ProposeError::Stopped => CallError::Unavailable("the replica has stopped".into()),
        ProposeError::TooLarge => CallError::Refused(Refusal::Invalid(InvalidArgument::List)),
    }
}

/// What a caller is told when a read was not possible.
pub(crate) fn not_read(error: ReadError) -> CallError {
    match error {
        ReadError::NotLeader { leader } => CallError::NotLeader { leader },
        ReadError::Deadline => CallError::Deadline,
        ReadError::Overloaded => CallError::Overloaded,
        error @ ReadError::Restoring => CallError::Unavailable(error.to_string()),
        ReadError::Stopped => CallError::Unavailable("the replica has stopped".into()),
    }
}
