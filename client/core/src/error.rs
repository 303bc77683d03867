//! Why an operation of the library failed.

use eggs_proto::block::BlockRefusal;
use eggs_proto::{BadName, BlockServiceId, InodeId, Refusal, errno};

/// Too many levels of symbolic links, in Linux.
const ELOOP: i32 = 40;

/// An operation came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The metadata said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A block service said no.
    #[error("block service {service}: {refusal}")]
    Block {
        /// Which.
        service: BlockServiceId,
        /// What it said.
        refusal: BlockRefusal,
    },
    /// Nobody who could answer was reached in time.
    #[error("{what} cannot be reached: {cause}")]
    Unreachable {
        /// Whom we asked.
        what: String,
        /// The last thing that went wrong.
        cause: String,
    },
    /// Somebody was reached, but there was no answer in time.
    #[error("no answer from {what} in time")]
    Deadline {
        /// Whom we asked.
        what: String,
    },
    /// The cluster does not accept our secret.
    #[error("not let in: {cause}")]
    Unauthorized {
        /// What it said.
        cause: String,
    },
    /// The block service is not in the cluster map, or its process has no known address.
    #[error("block service {0} is not known to the cluster")]
    UnknownService(BlockServiceId),
    /// An answer that does not belong to the question: a bug or an incompatible version.
    #[error("{what} gave an answer that makes no sense")]
    Protocol {
        /// Whom we asked.
        what: String,
    },
    /// More pages are corrupt than parity can repair.
    #[error("file {file} is damaged at byte {offset} beyond what parity can repair")]
    Damaged {
        /// The file.
        file: InodeId,
        /// Where, about.
        offset: u64,
    },
    /// Too many block services are out of reach.
    #[error(
        "file {file} at byte {offset}: only {found} of the {needed} blocks needed are in reach"
    )]
    TooFewBlocks {
        /// The file.
        file: InodeId,
        /// Where, about.
        offset: u64,
        /// Blocks that were read or written.
        found: usize,
        /// Blocks needed.
        needed: usize,
    },
    /// Not a name that a directory may hold.
    #[error(transparent)]
    Name(#[from] BadName),
    /// A path leads in circles.
    #[error("too many levels of symbolic links")]
    TooManyLinks,
    /// The file is linked or scrapped already, or would become too large.
    #[error("the file takes no more data: {0}")]
    Closed(ClosedReason),
}

/// Why a file takes no more data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClosedReason {
    /// It is linked: it is immutable from now on.
    #[error("it is linked and immutable")]
    Linked,
    /// It was given up.
    #[error("it was given up")]
    Scrapped,
    /// It has reached the largest size of a file.
    #[error("it has reached the largest size of a file")]
    TooLarge,
}

impl ClientError {
    /// What a system call returns for it.
    pub const fn errno(&self) -> i32 {
        match self {
            Self::Refused(refusal) => refusal.errno(),
            Self::Block { refusal, .. } => match refusal {
                BlockRefusal::NoSpace => errno::ENOSPC,
                BlockRefusal::Forbidden => errno::EPERM,
                BlockRefusal::NotFound
                | BlockRefusal::WrongService
                | BlockRefusal::BadCertificate
                | BlockRefusal::Expired
                | BlockRefusal::BadPayload
                | BlockRefusal::WasErased
                | BlockRefusal::BadRange
                | BlockRefusal::DiskFailed(_)
                | BlockRefusal::Damaged
                | BlockRefusal::Overloaded
                | BlockRefusal::Malformed
                | BlockRefusal::Unreadable => errno::EIO,
            },
            Self::Unreachable { .. } | Self::Deadline { .. } => errno::ETIMEDOUT,
            Self::Unauthorized { .. } => errno::EACCES,
            Self::Protocol { .. } => errno::EPROTO,
            Self::UnknownService(_) | Self::Damaged { .. } | Self::TooFewBlocks { .. } => {
                errno::EIO
            }
            Self::Name(BadName::TooLong) => errno::ENAMETOOLONG,
            Self::Name(BadName::Empty) => errno::ENOENT,
            Self::Name(BadName::Dots | BadName::Separator) => errno::EINVAL,
            Self::TooManyLinks => ELOOP,
            Self::Closed(ClosedReason::Linked | ClosedReason::Scrapped) => errno::EROFS,
            Self::Closed(ClosedReason::TooLarge) => errno::EFBIG,
        }
    }

    /// Whether the same operation may succeed later without anybody changing anything.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Deadline { .. }
            | Self::TooFewBlocks { .. }
            | Self::UnknownService(_)
            | Self::Refused(Refusal::Locked | Refusal::NoSpace { .. } | Refusal::MetadataFull) => {
                true
            }
            Self::Block { refusal, .. } => match refusal {
                BlockRefusal::Overloaded | BlockRefusal::NoSpace => true,
                BlockRefusal::NotFound
                | BlockRefusal::WrongService
                | BlockRefusal::BadCertificate
                | BlockRefusal::Expired
                | BlockRefusal::BadPayload
                | BlockRefusal::WasErased
                | BlockRefusal::BadRange
                | BlockRefusal::DiskFailed(_)
                | BlockRefusal::Damaged
                | BlockRefusal::Forbidden
                | BlockRefusal::Malformed
                | BlockRefusal::Unreadable => false,
            },
            Self::Refused(_)
            | Self::Unauthorized { .. }
            | Self::Protocol { .. }
            | Self::Damaged { .. }
            | Self::Name(_)
            | Self::TooManyLinks
            | Self::Closed(_) => false,
        }
    }

    /// Whether the name or inode asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        *self == Self::Refused(Refusal::NotFound)
    }
}
