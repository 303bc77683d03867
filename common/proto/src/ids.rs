//! Identifiers. Each is a newtype, so that a shard can never be passed for a node.
//!
//! **Invariant:** a number handed out is never handed out again for anything else.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Number of metadata shards. Part of the on-disk format: an inode id names its shard.
pub const SHARD_COUNT: usize = 256;

/// One metadata partition, one Raft group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ShardId(pub u8);

impl ShardId {
    /// All shards, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map(Self)
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}", self.0)
    }
}

/// One Raft group: a shard, the CDC or the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupId(pub u16);

impl GroupId {
    /// The cross-directory coordinator.
    pub const CDC: Self = Self(256);
    /// The registry.
    pub const REGISTRY: Self = Self(257);

    /// The group of a shard.
    pub const fn of_shard(shard: ShardId) -> Self {
        Self(shard.0 as u16)
    }

    /// The shard this group is, if it is one.
    pub fn shard(self) -> Option<ShardId> {
        u8::try_from(self.0).ok().map(ShardId)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.shard(), *self) {
            (Some(shard), _) => write!(f, "shard-{shard}"),
            (None, Self::CDC) => f.write_str("cdc"),
            (None, Self::REGISTRY) => f.write_str("registry"),
            (None, other) => write!(f, "group-{}", other.0),
        }
    }
}

/// What kind of program a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProcessRole {
    /// `eggsshuckle`
    Registry,
    /// `eggsshard`
    Shard,
    /// `eggscdc`
    Cdc,
    /// `eggsblocks`
    Blocks,
    /// `eggsgc`
    Gc,
    /// `eggsfuse`, `eggscli` and programs using the library.
    Client,
}

impl ProcessRole {
    const ALL: [Self; 6] = [
        Self::Registry,
        Self::Shard,
        Self::Cdc,
        Self::Blocks,
        Self::Gc,
        Self::Client,
    ];

    /// The prefix of a process's name, as in `shard0`.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Registry => "shuckle",
            Self::Shard => "shard",
            Self::Cdc => "cdc",
            Self::Blocks => "blocks",
            Self::Gc => "gc",
            Self::Client => "client",
        }
    }
}

/// One server process: its role and its number among the processes of that role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(u64);

impl NodeId {
    /// Names process `index` of `role`.
    pub const fn new(role: ProcessRole, index: u32) -> Self {
        Self(((role as u64) << 32) | index as u64)
    }

    /// The number as Raft and the wire carry it.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Reads a number written by [`NodeId::get`]; `None` if its role is unknown.
    pub fn from_u64(raw: u64) -> Option<Self> {
        ((raw >> 32) < ProcessRole::ALL.len() as u64).then_some(Self(raw))
    }

    /// The role of the process; an unknown number counts as a client, which has no rights.
    pub fn role(self) -> ProcessRole {
        ProcessRole::ALL
            .get((self.0 >> 32) as usize)
            .copied()
            .unwrap_or(ProcessRole::Client)
    }

    /// The number among the processes of that role.
    pub const fn index(self) -> u32 {
        (self.0 & 0xffff_ffff) as u32
    }

    /// Whose place it has: the process as a person named it, see [`NodeId::successor`].
    pub fn place(self) -> Self {
        Self::new(self.role(), self.index() % PLACES)
    }

    /// Who takes its place when its disk is lost; `None` after some thousand of them.
    pub fn successor(self) -> Option<Self> {
        let index = self.index().checked_add(PLACES)?;
        Some(Self::new(self.role(), index))
    }
}

/// People number processes below this; from here on numbers say whose place a process has taken, and for the how
/// manieth time: `shard1` is followed by `shard1000001`, that one by `shard2000001`.
pub const PLACES: u32 = 1_000_000;

/// A text is not the name of a process.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a process, such as shard0")]
pub struct NotANodeId(String);

impl FromStr for NodeId {
    type Err = NotANodeId;

    /// Reads a name as it is shown.
    fn from_str(text: &str) -> Result<Self, NotANodeId> {
        let read = |role: &ProcessRole| {
            let digits = text.strip_prefix(role.prefix())?;
            let index = digits.parse().ok()?;
            Some(Self::new(*role, index)).filter(|node| node.to_string() == text)
        };
        let found = ProcessRole::ALL.iter().find_map(read);
        found.ok_or_else(|| NotANodeId(text.to_owned()))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.role().prefix(), self.index())
    }
}

/// One disk: a directory in which one `eggsblocks` keeps blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlockServiceId(pub u64);

impl BlockServiceId {
    /// No service: where missing blocks are. Files that have some are found under it in the index from services to files.
    pub const NOWHERE: Self = Self(0);
}

impl fmt::Display for BlockServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What can fail as one: by default a host. Numbered by the operator or by `eggsrun`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FailureDomainId(pub u32);

impl fmt::Display for FailureDomainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fd{}", self.0)
    }
}

/// What one block service stores of one extent. Low byte: the shard that named it; the rest a
/// counter of that shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlockId(pub u64);

impl BlockId {
    /// The block numbered `counter` by `shard`. The counter wraps at 2^56, which is never reached.
    pub const fn new(shard: ShardId, counter: u64) -> Self {
        Self((counter << 8) | shard.0 as u64)
    }

    /// The shard that named the block.
    pub const fn shard(self) -> ShardId {
        ShardId((self.0 & 0xff) as u8)
    }
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A transaction of the CDC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TransactionId(pub u64);

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tx{}", self.0)
    }
}

/// Names one change, so that a retry of it gets the first answer. `client` is random and chosen once per
/// client process; `sequence` counts its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId {
    /// Random, chosen when the client starts.
    pub client: u64,
    /// Never reused by that client.
    pub sequence: u64,
}

/// Guards a transient file: only who created it may change it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cookie(pub u64);

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie(..)") // it is a permission: never in a log
    }
}

/// Version of the cluster map; grows with every change that matters to clients.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Epoch(pub u64);
