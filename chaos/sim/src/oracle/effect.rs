//! What each change means to the oracle: two tables without a way around them, so that whoever adds a change is asked.

use eggs_proto::cdc::EntryName;
use eggs_proto::shard::{Replace, ShardChange as C};
use eggs_proto::{InodeId, Name, Policy, PolicyKind, XattrMode, XattrName};

use super::Part;

/// What becomes of names if a change is accepted.
#[derive(Debug)]
pub(super) enum OnNames {
    /// Nothing. Transactions happen when the coordinator decides them, not with their steps.
    Nothing,
    /// A file or symlink gets a name.
    Enters {
        entry: EntryName,
        replace: Replace,
        /// Whether only the directory can be what is not found.
        alone: bool,
    },
    /// A new directory gets a name.
    EntersDirectory { entry: EntryName, dir: InodeId },
    /// A name is taken away.
    Leaves {
        entry: EntryName,
        expected: Option<InodeId>,
    },
    /// A name becomes another.
    Renames {
        source: EntryName,
        target: EntryName,
        replace: Replace,
    },
}

/// What becomes of everything else.
#[derive(Debug)]
pub(super) enum OnInodes<'a> {
    Nothing,
    /// Transient files begin, with this content.
    Starts(Vec<Part>),
    /// A linked file is made, with this content.
    Makes(Vec<Part>),
    /// A transient file grows.
    Appends(InodeId, Part),
    /// A transient file is changed.
    Touches(InodeId),
    /// A transient file becomes visible, perhaps with this content.
    Finishes(InodeId, Option<Vec<Part>>),
    /// A transient file expires.
    GivesUp(InodeId),
    /// An expired file goes.
    Destroys(InodeId),
    /// A file is going to expire because its only owner goes.
    Dooms(InodeId),
    /// An old version goes.
    Collects,
    SetsXattr(InodeId, &'a XattrName, &'a [u8], XattrMode),
    RemovesXattr(InodeId, &'a XattrName),
    SetsPolicy(InodeId, &'a Policy),
    ClearsPolicy(InodeId, PolicyKind),
}

fn at(dir: InodeId, name: &Name) -> EntryName {
    EntryName {
        dir,
        name: name.clone(),
    }
}

fn inline(content: &[u8]) -> Vec<Part> {
    match content {
        [] => Vec::new(),
        bytes => vec![Part::Inline(bytes.to_vec())],
    }
}

/// What becomes of names. Nobody repairs anything in a simulation.
pub(super) fn on_names(change: &C) -> Result<OnNames, String> {
    Ok(match change {
        C::CreateFile {
            dir, name, replace, ..
        }
        | C::Undelete {
            dir, name, replace, ..
        } => OnNames::Enters {
            entry: at(*dir, name),
            replace: *replace,
            alone: true,
        },
        C::Link {
            dir, name, replace, ..
        }
        | C::CertifyAndLink {
            dir, name, replace, ..
        }
        | C::CreateReserved {
            dir, name, replace, ..
        } => OnNames::Enters {
            entry: at(*dir, name),
            replace: *replace,
            alone: false,
        },
        C::Symlink { dir, name, .. } => OnNames::Enters {
            entry: at(*dir, name),
            replace: Replace::Never,
            alone: true,
        },
        C::LinkDirectory {
            parent, name, dir, ..
        } => OnNames::EntersDirectory {
            entry: at(*parent, name),
            dir: *dir,
        },
        C::Unlink {
            dir,
            name,
            expected,
        } => OnNames::Leaves {
            entry: at(*dir, name),
            expected: *expected,
        },
        C::Rename {
            dir,
            source,
            target,
            replace,
        } => OnNames::Renames {
            source: at(*dir, source),
            target: at(*dir, target),
            replace: *replace,
        },
        C::CreateTransient { .. }
        | C::AddInline { .. }
        | C::AddHole { .. }
        | C::AddExtent(_)
        | C::ReplaceBlocks { .. }
        | C::CertifyExtent { .. }
        | C::KeepAlive { .. }
        | C::Scrap { .. }
        | C::SetAttributes { .. }
        | C::SetPolicy { .. }
        | C::ClearPolicy { .. }
        | C::DestroyTransient { .. }
        | C::CollectSnapshot { .. }
        | C::BeginCollect { .. }
        | C::ScrapForeign { .. }
        | C::RemoveDirectory { .. }
        | C::GarbageErased { .. }
        | C::CreateDirectory { .. }
        | C::AbandonDirectory { .. }
        | C::LockDentry { .. }
        | C::ReleaseDentry { .. }
        | C::DetachDirectory { .. }
        | C::SettleDirectory { .. }
        | C::CreateWithExtent { .. }
        | C::ReviveDirectory { .. }
        | C::LockVersion { .. }
        | C::RestoreDentry { .. }
        | C::Reserve { .. }
        | C::SetXattr { .. }
        | C::RemoveXattr { .. }
        | C::ReportTrees { .. }
        | C::SettleTrees { .. }
        | C::AdvanceTime
        | C::BeginHeal { .. }
        | C::FinishHeal { .. } => OnNames::Nothing,
        C::Repair(_) => return Err("nobody repairs anything here".into()),
    })
}

/// What becomes of files and of what inodes carry.
pub(super) fn on_inodes(change: &C) -> OnInodes<'_> {
    match change {
        C::CreateTransient { .. } | C::Reserve { .. } | C::BeginHeal { .. } => {
            OnInodes::Starts(Vec::new())
        }
        C::CreateWithExtent { extent, .. } => OnInodes::Starts(vec![Part::Blocks {
            offset: 0,
            size: extent.size,
            checksums: extent.checksums.clone(),
        }]),
        C::CreateFile { content, .. } => OnInodes::Makes(inline(content)),
        C::CreateReserved { file, content, .. } => OnInodes::Finishes(*file, Some(inline(content))),
        C::AddExtent(request) => {
            let part = Part::Blocks {
                offset: request.offset,
                size: request.size,
                checksums: request.checksums.clone(),
            };
            OnInodes::Appends(request.file, part)
        }
        C::AddInline { file, content, .. } => {
            OnInodes::Appends(*file, Part::Inline(content.clone()))
        }
        C::AddHole { file, size, .. } => OnInodes::Appends(*file, Part::Hole(*size)),
        C::ReplaceBlocks { file, .. }
        | C::CertifyExtent { file, .. }
        | C::KeepAlive { file, .. } => OnInodes::Touches(*file),
        C::Link { file, .. } | C::CertifyAndLink { file, .. } => OnInodes::Finishes(*file, None),
        C::FinishHeal { scratch, .. } => OnInodes::Finishes(*scratch, None),
        C::Scrap { file, .. } => OnInodes::GivesUp(*file),
        C::DestroyTransient { file } => OnInodes::Destroys(*file),
        C::ScrapForeign { inode } => OnInodes::Dooms(*inode),
        C::CollectSnapshot { .. } => OnInodes::Collects,
        C::SetXattr {
            inode,
            name,
            value,
            mode,
        } => OnInodes::SetsXattr(*inode, name, value, *mode),
        C::RemoveXattr { inode, name } => OnInodes::RemovesXattr(*inode, name),
        C::SetPolicy { dir, policy } => OnInodes::SetsPolicy(*dir, policy),
        C::ClearPolicy { dir, kind } => OnInodes::ClearsPolicy(*dir, *kind),
        // Names, locks, garbage and totals are looked at elsewhere; attributes are not.
        C::Symlink { .. }
        | C::Unlink { .. }
        | C::Rename { .. }
        | C::SetAttributes { .. }
        | C::BeginCollect { .. }
        | C::RemoveDirectory { .. }
        | C::GarbageErased { .. }
        | C::CreateDirectory { .. }
        | C::AbandonDirectory { .. }
        | C::LinkDirectory { .. }
        | C::LockDentry { .. }
        | C::ReleaseDentry { .. }
        | C::DetachDirectory { .. }
        | C::SettleDirectory { .. }
        | C::Undelete { .. }
        | C::ReviveDirectory { .. }
        | C::LockVersion { .. }
        | C::RestoreDentry { .. }
        | C::Repair(_)
        | C::ReportTrees { .. }
        | C::SettleTrees { .. }
        | C::AdvanceTime => OnInodes::Nothing,
    }
}
