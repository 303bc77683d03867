//! Where an audit is, what it has summed up, and whether the shard stood still meanwhile.
//!
//! It travels to who asks and back as bytes. A forged one can only make its own audit say nonsense.

use eggs_machine::Fault;
use eggs_proto::audit::AuditCursor;
use eggs_proto::{AUDIT_CURSOR_BYTES_MAX, InvalidArgument, Refusal, Time, decode, encode};
use serde::{Deserialize, Serialize};

use super::tally::Tally;
use crate::records::Counters;
use crate::state::Reader;

/// Where an audit is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// Log time of the shard's last change when the audit began.
    pub(super) began: Time,
    /// What the inodes and the garbage so far add up to; its numbers are one after the largest found.
    pub(super) sums: Counters,
    pub(super) at: At,
}

/// What comes next. Tables are gone through by inode, then by themselves.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum At {
    /// The first inode from this number on that anything is stored of.
    Inodes { from: u64 },
    /// The rest of a large inode.
    Within(Box<Within>),
    /// The index of deadlines, from a key on.
    Deadlines { from: Vec<u8> },
    /// The garbage.
    Garbage { from: Vec<u8> },
    /// The index from services to files.
    Services { from: Vec<u8> },
    /// Nothing.
    End,
}

/// Inside of an inode.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Within {
    pub(super) inode: u64,
    pub(super) part: Part,
    pub(super) from: Vec<u8>,
    pub(super) tally: Tally,
    /// The inode's record when its audit began; empty if there was none. As long as it is the same, what was counted on
    /// earlier pages still counts.
    pub(super) record: Vec<u8>,
    pub(super) steadiness: Steadiness,
}

/// What belongs to an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Part {
    Dentries,
    Snapshots,
    Extents,
    Children,
    Xattrs,
}

/// Whether an inode has changed between the pages that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Steadiness {
    Still,
    Moved,
}

impl Cursor {
    pub(super) fn begin(read: Reader<'_>) -> Result<Self, Fault> {
        Ok(Self {
            began: read.counters()?.now,
            sums: Counters::default(),
            at: At::Inodes { from: 0 },
        })
    }

    pub(super) fn encode(&self) -> AuditCursor {
        AuditCursor(encode(self))
    }

    pub(super) fn decode(cursor: &AuditCursor) -> Result<Self, Refusal> {
        if cursor.0.len() > AUDIT_CURSOR_BYTES_MAX {
            return Err(Refusal::Invalid(InvalidArgument::List));
        }
        decode(&cursor.0).map_err(|_| Refusal::Invalid(InvalidArgument::Encoding))
    }
}
