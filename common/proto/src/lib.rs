//! The contract: identifiers, time, limits, errors, messages and framing.
//!
//! Pure: no I/O, no clock, no randomness. Everything that crosses a process boundary or is
//! understood by more than one crate is defined here, once.

mod attributes;
mod certificate;
mod checksum;
mod extent;
mod frame;
mod growth;
pub mod hello;
mod ids;
pub mod image;
mod inode;
mod kinds;
mod limits;
mod map;
mod messages;
mod most_free;
pub mod moves;
mod name;
mod page_sums;
mod policy;
mod refusal;
mod scheme;
mod time;
mod xattr;

pub use attributes::{AttributeChange, Attributes, MODE_MASK, NewAttributes, NewTime};
pub use certificate::{BlockFacts, MacTag, ServiceKey, Statement};
pub use checksum::{BlockSum, Checksum};
pub use extent::{
    BlockState, CellPosition, Extent, ExtentBlock, ExtentBody, ExtentLayout, StorageClass,
};
pub use frame::{
    BadHeader, Direction, HEADER_BYTES, Header, MAGIC, MessageKind, PROTOCOL_VERSION,
    PROTOCOL_VERSION_MIN,
};
pub use growth::Growth;
pub use ids::*;
pub use inode::{InodeId, InodeKind, NotAnInodeId};
pub use limits::*;
pub use map::{BlockServiceInfo, ClusterMap, GroupInfo, NodeInfo, ServiceState};
pub use messages::{
    Malformed, audit, block, cdc, decode, encode, encode_after, meta, registry, shard, tree,
};
pub use most_free::MostFree;
pub use name::{BadName, Name, NameHash};
pub use policy::{
    BadPolicy, ClassPolicy, ExtentPlan, ExtentPolicy, ExtentRow, InlinePolicy, Policy, PolicyKind,
    PolicySet, SnapshotPolicy, StripePolicy,
};
pub use refusal::{
    BadPolicyWire, CallError, CallResult, ExtentProblem, InvalidArgument, Refusal, errno,
};
pub use scheme::Scheme;
pub use time::{FileTime, Time};
pub use xattr::{BadXattrName, Xattr, XattrMode, XattrName, xattrs_fit};
