//! What Raft keeps on disk, in our own encoding, so that a change inside openraft cannot change it.
//!
//! **Invariant:** a record written by any version decodes in every later one: variants and fields are only
//! appended.

use std::collections::BTreeSet;

use bytes::Bytes;
use openraft::entry::EntryPayload;
use serde::{Deserialize, Serialize};

use crate::types::{LogEntry, LogId, Membership, Proposal, StoredMembership, Vote};

/// A stored value does not decode.
#[derive(Debug, thiserror::Error)]
#[error("{what} does not decode: {cause}")]
pub(crate) struct Undecodable {
    what: &'static str,
    cause: String,
}

/// Term and index of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredLogId {
    term: u64,
    index: u64,
}

impl From<&LogId> for StoredLogId {
    fn from(id: &LogId) -> Self {
        Self {
            term: **id.committed_leader_id(),
            index: id.index(),
        }
    }
}

impl From<StoredLogId> for LogId {
    fn from(id: StoredLogId) -> Self {
        Self::new_term_index(id.term, id.index)
    }
}

#[derive(Serialize, Deserialize)]
struct StoredVote {
    term: u64,
    node: u64,
    committed: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct StoredMembers {
    configs: Vec<BTreeSet<u64>>,
    nodes: BTreeSet<u64>,
}

impl From<&Membership> for StoredMembers {
    fn from(membership: &Membership) -> Self {
        Self {
            configs: membership.get_joint_config().clone(),
            nodes: membership.nodes().map(|(node, _)| *node).collect(),
        }
    }
}

impl StoredMembers {
    fn restore(self) -> Membership {
        Membership::new_with_defaults(self.configs, self.nodes)
    }
}

#[derive(Serialize, Deserialize)]
enum StoredPayload {
    Blank,
    Commands(Bytes),
    Members(StoredMembers),
}

#[derive(Serialize, Deserialize)]
struct StoredEntry {
    id: StoredLogId,
    payload: StoredPayload,
}

#[derive(Serialize, Deserialize)]
struct StoredApplied {
    members_id: Option<StoredLogId>,
    members: StoredMembers,
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("these types always encode")
}

fn decode<'a, T: Deserialize<'a>>(what: &'static str, bytes: &'a [u8]) -> Result<T, Undecodable> {
    postcard::from_bytes(bytes).map_err(|cause| Undecodable {
        what,
        cause: cause.to_string(),
    })
}

pub(crate) fn encode_entry(entry: &LogEntry) -> Vec<u8> {
    let payload = match &entry.payload {
        EntryPayload::Blank => StoredPayload::Blank,
        EntryPayload::Normal(proposal) => StoredPayload::Commands(proposal.0.clone()),
        EntryPayload::Membership(members) => StoredPayload::Members(members.into()),
    };
    encode(&StoredEntry {
        id: (&entry.log_id).into(),
        payload,
    })
}

pub(crate) fn decode_entry(bytes: &[u8]) -> Result<LogEntry, Undecodable> {
    let stored: StoredEntry = decode("a log record", bytes)?;
    let payload = match stored.payload {
        StoredPayload::Blank => EntryPayload::Blank,
        StoredPayload::Commands(bytes) => EntryPayload::Normal(Proposal(bytes)),
        StoredPayload::Members(members) => EntryPayload::Membership(members.restore()),
    };
    Ok(LogEntry {
        log_id: stored.id.into(),
        payload,
    })
}

pub(crate) fn encode_vote(vote: &Vote) -> Vec<u8> {
    encode(&StoredVote {
        term: vote.leader_id.term,
        node: vote.leader_id.voted_for,
        committed: vote.committed,
    })
}

pub(crate) fn decode_vote(bytes: &[u8]) -> Result<Vote, Undecodable> {
    let stored: StoredVote = decode("a vote", bytes)?;
    let mut vote = Vote::new(stored.term, stored.node);
    vote.committed = stored.committed;
    Ok(vote)
}

pub(crate) fn encode_log_id(id: &LogId) -> Vec<u8> {
    encode(&StoredLogId::from(id))
}

pub(crate) fn decode_log_id(bytes: &[u8]) -> Result<LogId, Undecodable> {
    Ok(decode::<StoredLogId>("a log id", bytes)?.into())
}

pub(crate) fn encode_membership(stored: &StoredMembership) -> Vec<u8> {
    encode(&StoredApplied {
        members_id: stored.log_id().as_ref().map(StoredLogId::from),
        members: stored.membership().into(),
    })
}

pub(crate) fn decode_membership(bytes: &[u8]) -> Result<StoredMembership, Undecodable> {
    let stored: StoredApplied = decode("a membership", bytes)?;
    Ok(StoredMembership::new(
        stored.members_id.map(LogId::from),
        stored.members.restore(),
    ))
}
