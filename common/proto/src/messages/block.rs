//! Messages of a block service.

use serde::{Deserialize, Serialize};

use crate::{BlockFacts, BlockId, BlockServiceId, Checksum, InodeId, MacTag, Time};

/// A request to an `eggsblocks` process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockRequest {
    /// Stores a block; the payload is its bytes. Durable before it is answered. Fine if it is there. → `Written`
    Write {
        /// What is to be stored.
        facts: BlockFacts,
        /// Until when the certificate is good.
        expiry: Time,
        /// Permission.
        certificate: MacTag,
    },
    /// Reads whole pages. → `Pages`, the payload is their bytes
    Read {
        /// The service.
        service: BlockServiceId,
        /// The block.
        block: BlockId,
        /// First page.
        page: u32,
        /// Number of pages, at least 1; the range must lie within the block.
        pages: u32,
    },
    /// Erases a block. Fine if it is gone. → `Erased`
    Erase {
        /// The block. If it was never written, the proof is given all the same.
        facts: BlockFacts,
        /// When the last certificate to write it expires: until then the service refuses to write it.
        write_expiry: Time,
        /// Permission.
        certificate: MacTag,
    },
    /// Reads a block from the disk and verifies it. → `Checked`
    Check {
        /// The service.
        service: BlockServiceId,
        /// The block.
        block: BlockId,
    },
    /// Blocks of a service, in order of their ids. Servers only. → `Blocks`
    List {
        /// The service.
        service: BlockServiceId,
        /// The last one seen.
        after: Option<BlockId>,
        /// Most entries wanted.
        limit: u32,
    },
    /// Says that a reader found a block damaged, gone or unreadable. The service looks for itself when its disk has time, and
    /// remembers the block only if that is so. Refused as `Overloaded` while it has enough of them. → `Noted`
    Report {
        /// The service.
        service: BlockServiceId,
        /// The block.
        block: BlockId,
        /// The file that was read. Nothing rests on it: whoever heals looks whether the block is there.
        file: InodeId,
        /// First byte of its extent that has the block.
        offset: u64,
    },
    /// Blocks that were reported and found to be damaged, on all disks of the process. Servers only. → `Damaged`
    Damaged {
        /// One of its services.
        service: BlockServiceId,
    },
}

/// A block that a service has found damaged, gone or unreadable after a reader said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DamagedBlock {
    /// The service.
    pub service: BlockServiceId,
    /// The block.
    pub block: BlockId,
    /// Where the reader says that it belongs.
    pub file: InodeId,
    /// First byte of its extent.
    pub offset: u64,
}

/// Why a block service does not do it. The position of a variant is its number: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum BlockRefusal {
    /// No such block.
    #[error("no such block")]
    NotFound,
    /// The service is not in this process.
    #[error("the block service is not here")]
    WrongService,
    /// The certificate does not fit.
    #[error("the certificate does not match the block")]
    BadCertificate,
    /// The certificate is too old, or too far from now to be true.
    #[error("the certificate is not valid now")]
    Expired,
    /// The payload is not what was certified.
    #[error("the bytes are not the ones that were certified")]
    BadPayload,
    /// The block was erased and cannot come back.
    #[error("the block was erased")]
    WasErased,
    /// A range outside of the block.
    #[error("the range is outside of the block")]
    BadRange,
    /// The disk is full but for its reserve.
    #[error("the disk is full")]
    NoSpace,
    /// The disk failed.
    #[error("the disk failed: {0}")]
    DiskFailed(String),
    /// The block on the disk is damaged.
    #[error("the block is damaged")]
    Damaged,
    /// Too much is waiting for this disk.
    #[error("the disk is overloaded")]
    Overloaded,
    /// Only servers may ask for this.
    #[error("only servers may ask for this")]
    Forbidden,
    /// The message does not decode.
    #[error("the message does not decode")]
    Malformed,
    /// The disk cannot read the block, and says so; answered to `Check`.
    #[error("the disk cannot read the block")]
    Unreadable,
}

impl BlockRefusal {
    /// Whether no well-behaved client is ever told this: it is forging something or has a bug.
    pub const fn is_suspicious(&self) -> bool {
        match self {
            Self::BadCertificate
            | Self::BadPayload
            | Self::BadRange
            | Self::Forbidden
            | Self::Malformed => true,
            Self::NotFound
            | Self::WrongService
            | Self::Expired
            | Self::WasErased
            | Self::NoSpace
            | Self::DiskFailed(_)
            | Self::Damaged
            | Self::Overloaded
            | Self::Unreadable => false,
        }
    }
}

/// Answers of a block service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockReply {
    /// Stored durably.
    Written {
        /// Evidence.
        proof: MacTag,
    },
    /// Pages; not verified by the service: the reader does that.
    Pages {
        /// One for each page of the payload.
        checksums: Vec<Checksum>,
    },
    /// Gone.
    Erased {
        /// Evidence.
        proof: MacTag,
    },
    /// The block is whole.
    Checked {
        /// Checksum over all of it.
        checksum: Checksum,
        /// Its size in bytes.
        size: u64,
    },
    /// Blocks of a service.
    Blocks {
        /// In order: id and size in bytes.
        blocks: Vec<(BlockId, u64)>,
        /// Whether there may be more.
        more: bool,
    },
    /// The report was heard.
    Noted,
    /// Blocks to be healed, at most [`LIST_ENTRIES_MAX`](crate::LIST_ENTRIES_MAX); others follow when these are gone.
    Damaged {
        /// In no order.
        blocks: Vec<DamagedBlock>,
    },
}

/// The body of an answer.
pub type BlockResult = Result<BlockReply, BlockRefusal>;
