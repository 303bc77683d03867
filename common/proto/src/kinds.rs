//! The names of all kinds of request and refusal, for those that have to say something about each of them: metrics, and
//! the tests that see to it that no operation is forgotten anywhere (`docs/howto/add-an-operation.md`).

use crate::Refusal;
use crate::shard::{ShardChange, ShardQuery};

macro_rules! kinds {
    ($enum:ident: $($kind:ident)*) => {
        impl $enum {
            /// The names of all variants, in order.
            pub const KINDS: &'static [&'static str] = &[$(stringify!($kind)),*];

            /// The name of the variant.
            pub const fn kind(&self) -> &'static str {
                match self {
                    $(Self::$kind { .. } => stringify!($kind)),*
                }
            }
        }
    };
}

kinds! {
    ShardChange:
    CreateTransient AddInline AddHole AddExtent ReplaceBlocks CertifyExtent Link CreateFile Symlink
    KeepAlive Scrap Unlink Rename SetAttributes SetPolicy ClearPolicy DestroyTransient CollectSnapshot
    BeginCollect ScrapForeign RemoveDirectory GarbageErased CreateDirectory AbandonDirectory LinkDirectory
    LockDentry ReleaseDentry DetachDirectory SettleDirectory CreateWithExtent CertifyAndLink Undelete
    ReviveDirectory LockVersion RestoreDentry Reserve CreateReserved SetXattr RemoveXattr Repair ReportTrees
    SettleTrees AdvanceTime BeginHeal FinishHeal
}

kinds! {
    ShardQuery:
    Lookup Stat List ReadLink Extents Directory Snapshots VisitTransients VisitDirectories VisitFiles
    VisitGarbage FilesOnService Usage Walk GetXattr ListXattrs Audit Tree
    AuditTrees
}

kinds! {
    Refusal:
    NotFound Exists NotDirectory IsDirectory NotEmpty WrongShard BadCookie NotTransient Expired BadExtent
    BadProof NotCertified NoSpace Locked NeedsCoordinator Loop Forbidden Invalid Unsupported BadPolicy
    Changed NoSnapshot NoAttribute AttributesFull MetadataFull
}
