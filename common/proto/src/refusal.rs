//! Refusals: deterministic answers of "no", replicated with the change that met them; and the other ways in
//! which a call can come to nothing.
//!
//! This is the one place where an errno is decided.

use serde::{Deserialize, Serialize};

use crate::{BadPolicy, NodeId};

/// errno values of Linux, as far as they are used; here because the pure crates know no libc.
pub mod errno {
    #![allow(missing_docs)] // the names are the documentation
    pub const EPERM: i32 = 1;
    pub const ENOENT: i32 = 2;
    pub const EIO: i32 = 5;
    pub const EAGAIN: i32 = 11;
    pub const EACCES: i32 = 13;
    pub const EBUSY: i32 = 16;
    pub const EEXIST: i32 = 17;
    pub const ENOTDIR: i32 = 20;
    pub const EISDIR: i32 = 21;
    pub const EINVAL: i32 = 22;
    pub const EFBIG: i32 = 27;
    pub const ENOSPC: i32 = 28;
    pub const EROFS: i32 = 30;
    pub const ENAMETOOLONG: i32 = 36;
    pub const ENOTEMPTY: i32 = 39;
    pub const ENODATA: i32 = 61;
    pub const EPROTO: i32 = 71;
    pub const EOPNOTSUPP: i32 = 95;
    pub const ESTALE: i32 = 116;
    pub const ETIMEDOUT: i32 = 110;
}

/// A deterministic "no". The position of a variant is its number on the wire: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// No such dentry or inode.
    #[error("no such file or directory")]
    NotFound,
    /// The name is taken.
    #[error("the name exists already")]
    Exists,
    /// Needs a directory.
    #[error("not a directory")]
    NotDirectory,
    /// Must not be a directory.
    #[error("is a directory")]
    IsDirectory,
    /// The directory holds something.
    #[error("the directory is not empty")]
    NotEmpty,
    /// The inode belongs to another shard.
    #[error("the inode belongs to another shard")]
    WrongShard,
    /// The cookie is not that of this transient file.
    #[error("the cookie is not the one of this transient file")]
    BadCookie,
    /// The file is not, or no longer, transient.
    #[error("the file is not being written")]
    NotTransient,
    /// The transient file's deadline has passed.
    #[error("the time to finish this file has passed")]
    Expired,
    /// The extent does not start where the last one ends, or its sizes do not add up.
    #[error("the extent does not fit: {0}")]
    BadExtent(ExtentProblem),
    /// A proof is missing, forged, or of another block.
    #[error("a proof does not match block {index} of the extent")]
    BadProof {
        /// Position of the block in the extent.
        index: u8,
    },
    /// Not all extents are certified yet.
    #[error("an extent is not certified yet")]
    NotCertified,
    /// Too few healthy block services of the class in distinct failure domains.
    #[error("no space: {healthy} failure domains can take a block, {needed} are needed")]
    NoSpace {
        /// Failure domains that could take a block.
        healthy: u16,
        /// Failure domains needed at least.
        needed: u16,
    },
    /// The dentry is locked by a transaction of the CDC; ask again.
    #[error("the name is part of a rename or removal in progress")]
    Locked,
    /// The change spans shards and has to go to the CDC.
    #[error("the change needs the coordinator")]
    NeedsCoordinator,
    /// A directory would become its own ancestor.
    #[error("a directory cannot be moved below itself")]
    Loop,
    /// Only a server process may ask for this.
    #[error("only servers may ask for this")]
    Forbidden,
    /// An argument is outside of its limits.
    #[error("invalid argument: {0}")]
    Invalid(InvalidArgument),
    /// Not supported.
    #[error("not supported")]
    Unsupported,
    /// The policy is not valid.
    #[error("the policy is not valid: {0}")]
    BadPolicy(#[from] BadPolicyWire),
    /// The dentry names another inode than the caller expected.
    #[error("the name has been given to something else meanwhile")]
    Changed,
    /// There is no such snapshot, or not in a state that allows this: it is being collected, or what it stands for
    /// lives on under another name.
    #[error(
        "there is no such old version, or it is being collected, or it lives on under another name"
    )]
    NoSnapshot,
    /// The inode has no such extended attribute.
    #[error("no such extended attribute")]
    NoAttribute,
    /// The inode cannot have more extended attributes, or not as large ones.
    #[error("no room for the extended attribute")]
    AttributesFull,
    /// The disks of the metadata are nearly full: what makes it grow is refused until there is space again.
    #[error("the disks of the metadata are full")]
    MetadataFull,
}

/// A [`BadPolicy`] as it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum BadPolicyWire {
    /// [`BadPolicy::Rows`]
    #[error("{}", BadPolicy::Rows)]
    Rows,
    /// [`BadPolicy::Scheme`]
    #[error("{}", BadPolicy::Scheme)]
    Scheme,
    /// [`BadPolicy::Size`]
    #[error("{}", BadPolicy::Size)]
    Size,
}

impl From<BadPolicy> for BadPolicyWire {
    fn from(bad: BadPolicy) -> Self {
        match bad {
            BadPolicy::Rows => Self::Rows,
            BadPolicy::Scheme => Self::Scheme,
            BadPolicy::Size => Self::Size,
        }
    }
}

/// What is wrong with an extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ExtentProblem {
    /// It does not begin where the file ends.
    #[error("it does not begin where the file ends")]
    NotAtEnd,
    /// Size, layout and number of blocks do not go together.
    #[error("its sizes do not add up")]
    Sizes,
    /// There is no extent at that offset.
    #[error("there is none at that offset")]
    Missing,
    /// More inline bytes than any policy may allow.
    #[error("it is too large to be inline")]
    InlineTooLarge,
    /// The blocks are in a state that does not allow this.
    #[error("its blocks are not in a state that allows this")]
    State,
}

/// Which argument is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum InvalidArgument {
    /// The request does not decode.
    #[error("the request does not decode")]
    Encoding,
    /// A symlink's target is empty or too long.
    #[error("a symlink target needs 1 to 4095 bytes without NUL")]
    Target,
    /// The inode is of a kind for which the request makes no sense.
    #[error("the inode is of another kind")]
    Kind,
    /// A list is too long.
    #[error("a list is too long")]
    List,
    /// Mode bits that do not exist.
    #[error("unknown mode bits")]
    Mode,
    /// A number outside of its range.
    #[error("a number is out of range")]
    Range,
}

impl Refusal {
    /// Whether no well-behaved client is ever told this: it is forging something or has a bug.
    pub const fn is_suspicious(&self) -> bool {
        match self {
            Self::WrongShard
            | Self::BadCookie
            | Self::BadProof { .. }
            | Self::Forbidden
            | Self::Invalid(_) => true,
            Self::NotFound
            | Self::Exists
            | Self::NotDirectory
            | Self::IsDirectory
            | Self::NotEmpty
            | Self::NotTransient
            | Self::Expired
            | Self::BadExtent(_)
            | Self::NotCertified
            | Self::NoSpace { .. }
            | Self::Locked
            | Self::NeedsCoordinator
            | Self::Loop
            | Self::Unsupported
            | Self::BadPolicy(_)
            | Self::Changed
            | Self::NoSnapshot
            | Self::NoAttribute
            | Self::AttributesFull
            | Self::MetadataFull => false,
        }
    }

    /// What a system call returns for it.
    pub const fn errno(&self) -> i32 {
        match self {
            Self::NotFound | Self::NoSnapshot => errno::ENOENT,
            Self::Exists => errno::EEXIST,
            Self::NotDirectory => errno::ENOTDIR,
            Self::IsDirectory => errno::EISDIR,
            Self::NotEmpty => errno::ENOTEMPTY,
            Self::WrongShard | Self::NeedsCoordinator => errno::EPROTO,
            Self::BadCookie | Self::Forbidden => errno::EPERM,
            Self::NotTransient => errno::EROFS,
            Self::Expired | Self::Changed => errno::ESTALE,
            Self::BadExtent(_) | Self::BadProof { .. } | Self::NotCertified => errno::EIO,
            Self::NoSpace { .. } => errno::ENOSPC,
            Self::Locked => errno::EBUSY,
            Self::Loop | Self::Invalid(_) | Self::BadPolicy(_) => errno::EINVAL,
            Self::Unsupported => errno::EOPNOTSUPP,
            Self::NoAttribute => errno::ENODATA,
            Self::AttributesFull | Self::MetadataFull => errno::ENOSPC,
        }
    }
}

/// Why a call came to nothing. Only `Refused` is a decision of the group; the others are about the process asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum CallError {
    /// A deterministic "no".
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Another process leads the group.
    #[error("not the leader of the group")]
    NotLeader {
        /// Who does, if known.
        leader: Option<NodeId>,
    },
    /// The process does not host that group or disk.
    #[error("not served here")]
    NotHosted,
    /// Too much is waiting already; ask again later.
    #[error("overloaded")]
    Overloaded,
    /// The deadline passed. The change may or may not have happened; a retry with the same id tells.
    #[error("the deadline passed")]
    Deadline,
    /// The process cannot serve right now.
    #[error("not available: {0}")]
    Unavailable(String),
    /// The message did not decode or does not exist.
    #[error("the message does not decode")]
    Malformed,
    /// The connection may not ask for this.
    #[error("not permitted for this connection")]
    Forbidden,
}

impl CallError {
    /// See [`Refusal::is_suspicious`].
    pub const fn is_suspicious(&self) -> bool {
        match self {
            Self::Malformed | Self::Forbidden => true,
            Self::Refused(refusal) => refusal.is_suspicious(),
            Self::NotLeader { .. }
            | Self::NotHosted
            | Self::Overloaded
            | Self::Deadline
            | Self::Unavailable(_) => false,
        }
    }
}

/// The body of every answer.
pub type CallResult<T> = Result<T, CallError>;
