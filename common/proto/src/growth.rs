//! Which changes make the metadata grow: those that are refused while its disks are full.
//!
//! **Invariant:** what gives space back, and what finishes something that has begun, is never refused for want of space.

use crate::cdc::CdcOperation;
use crate::shard::{LockPurpose, ShardChange};

/// What a change does to the space that metadata takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// It begins something new: refused while there is no space.
    Grows,
    /// It deletes, collects, heals, ends a lock, or finishes what has begun. It may add a little, out of the reserve.
    Finishes,
}

impl ShardChange {
    /// See [`Growth`]. A step of the CDC may grow only where a refusal rolls its transaction back.
    pub const fn growth(&self) -> Growth {
        match self {
            Self::CreateTransient { .. }
            | Self::AddInline { .. }
            | Self::AddHole { .. }
            | Self::AddExtent(_)
            | Self::CreateFile { .. }
            | Self::Symlink { .. }
            | Self::Rename { .. }
            | Self::CreateDirectory { .. }
            | Self::LinkDirectory { .. }
            | Self::LockDentry {
                purpose: LockPurpose::Target { .. },
                ..
            }
            | Self::CreateWithExtent { .. }
            | Self::Undelete { .. }
            | Self::ReviveDirectory { .. }
            | Self::LockVersion { .. }
            | Self::Reserve { .. }
            | Self::CreateReserved { .. }
            | Self::SetXattr { .. } => Growth::Grows,
            // A file that is written is linked, its blocks are certified and moved to better disks.
            Self::ReplaceBlocks { .. }
            | Self::CertifyExtent { .. }
            | Self::Link { .. }
            | Self::CertifyAndLink { .. }
            | Self::KeepAlive { .. }
            // Attributes and policies replace others; a policy is how old versions are made to go sooner.
            | Self::SetAttributes { .. }
            | Self::SetPolicy { .. }
            | Self::ClearPolicy { .. }
            | Self::RemoveXattr { .. }
            | Self::Scrap { .. }
            | Self::Unlink { .. }
            | Self::DestroyTransient { .. }
            | Self::CollectSnapshot { .. }
            | Self::BeginCollect { .. }
            | Self::ScrapForeign { .. }
            | Self::RemoveDirectory { .. }
            | Self::GarbageErased { .. }
            | Self::AbandonDirectory { .. }
            | Self::LockDentry {
                purpose: LockPurpose::Source { .. },
                ..
            }
            | Self::ReleaseDentry { .. }
            | Self::DetachDirectory { .. }
            | Self::SettleDirectory { .. }
            | Self::RestoreDentry { .. }
            | Self::Repair(_)
            | Self::ReportTrees { .. }
            | Self::SettleTrees { .. }
            | Self::AdvanceTime
            | Self::BeginHeal { .. }
            | Self::FinishHeal { .. } => Growth::Finishes,
        }
    }
}

impl CdcOperation {
    /// See [`Growth`].
    pub const fn growth(&self) -> Growth {
        match self {
            Self::MakeDirectory { .. } | Self::Rename { .. } | Self::UndeleteDirectory { .. } => {
                Growth::Grows
            }
            Self::RemoveDirectory { .. } => Growth::Finishes,
        }
    }
}
