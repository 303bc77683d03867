//! One change, one operation: the exhaustive table.

use eggs_proto::hello::PeerRole;
use eggs_proto::shard::ShardChange as C;
use eggs_proto::{InvalidArgument, Refusal};

use crate::ops;
use crate::state::State;
use crate::step::Reply;
use crate::{Prepared, ShardCommand};

/// Applies one command.
pub(crate) fn apply(state: &mut State<'_>, command: ShardCommand) -> Reply {
    let ShardCommand {
        change,
        origin,
        prepared,
    } = command;
    check_origin(&change, origin)?;
    match prepared {
        Prepared::Refused(refusal) => Err(refusal.into()),
        Prepared::Nothing => apply_plain(state, change),
        prepared @ (Prepared::Cookie(_)
        | Prepared::Placed { .. }
        | Prepared::Replaced { .. }
        | Prepared::Proved(_)
        | Prepared::Erased(_)
        | Prepared::Started { .. }
        | Prepared::ProvedAll(_)
        | Prepared::Healing { .. }) => apply_prepared(state, change, prepared),
    }
}

/// Refuses to clients what only servers may ask for.
pub(crate) fn check_origin(change: &C, origin: PeerRole) -> Result<(), Refusal> {
    match (origin, needs_server(change)) {
        (PeerRole::Client, true) => Err(Refusal::Forbidden),
        (PeerRole::Client, false) | (PeerRole::Server, _) => Ok(()),
    }
}

fn needs_server(change: &C) -> bool {
    match change {
        C::CreateTransient { .. }
        | C::AddInline { .. }
        | C::AddHole { .. }
        | C::AddExtent(_)
        | C::ReplaceBlocks { .. }
        | C::CertifyExtent { .. }
        | C::Link { .. }
        | C::CreateFile { .. }
        | C::Symlink { .. }
        | C::KeepAlive { .. }
        | C::Scrap { .. }
        | C::Unlink { .. }
        | C::Rename { .. }
        | C::SetAttributes { .. }
        | C::SetPolicy { .. }
        | C::ClearPolicy { .. }
        | C::CreateWithExtent { .. }
        | C::CertifyAndLink { .. }
        | C::Undelete { .. }
        | C::Reserve { .. }
        | C::CreateReserved { .. }
        | C::SetXattr { .. }
        | C::RemoveXattr { .. } => false,
        C::DestroyTransient { .. }
        | C::CollectSnapshot { .. }
        | C::BeginCollect { .. }
        | C::ScrapForeign { .. }
        | C::RemoveDirectory { .. }
        | C::GarbageErased { .. }
        | C::CreateDirectory { .. }
        | C::AbandonDirectory { .. }
        | C::LinkDirectory { .. }
        | C::LockDentry { .. }
        | C::ReleaseDentry { .. }
        | C::DetachDirectory { .. }
        | C::SettleDirectory { .. }
        | C::ReviveDirectory { .. }
        | C::LockVersion { .. }
        | C::RestoreDentry { .. }
        | C::Repair(_)
        | C::ReportTrees { .. }
        | C::SettleTrees { .. }
        | C::AdvanceTime
        | C::BeginHeal { .. }
        | C::FinishHeal { .. } => true,
    }
}

/// The leader prepares every change alike, so this cannot be met but by a command that no leader made.
fn unprepared() -> Reply {
    Err(InvalidArgument::Encoding.into())
}

fn apply_prepared(state: &mut State<'_>, change: C, prepared: Prepared) -> Reply {
    match (change, prepared) {
        (
            C::CreateTransient {
                dir,
                attributes,
                note,
            },
            Prepared::Cookie(cookie),
        ) => {
            let start = ops::create_transient::Start {
                dir,
                attributes,
                note,
                cookie,
            };
            ops::create_transient::apply(state, start)
        }
        (
            C::AddExtent(request),
            Prepared::Placed {
                class,
                services,
                certified,
            },
        ) => {
            let placement = ops::add_extent::Placement {
                class,
                services,
                certified,
            };
            ops::add_extent::apply(state, request, &placement)
        }
        (
            C::ReplaceBlocks {
                file,
                cookie,
                offset,
                indexes,
                exclude: _,
            },
            Prepared::Replaced { seen, services },
        ) => {
            let replacement = ops::replace_blocks::Replacement {
                indexes,
                seen,
                services,
            };
            ops::replace_blocks::apply(state, file, cookie, offset, &replacement)
        }
        (
            C::CertifyExtent {
                file,
                cookie,
                offset,
                proofs: _,
            },
            Prepared::Proved(proved),
        ) => ops::certify_extent::apply(state, file, cookie, offset, &proved),
        (
            C::CreateWithExtent {
                dir,
                attributes,
                note,
                extent,
            },
            Prepared::Started {
                cookie,
                class,
                services,
            },
        ) => {
            let start = ops::create_transient::Start {
                dir,
                attributes,
                note,
                cookie,
            };
            let placement = ops::add_extent::Placement {
                class,
                services,
                certified: None,
            };
            ops::create_with_extent::apply(state, start, extent, &placement)
        }
        (
            C::CertifyAndLink {
                file,
                cookie,
                certify,
                dir,
                name,
                replace,
                attributes,
            },
            Prepared::ProvedAll(proved),
        ) => {
            let link = ops::link::Link {
                file,
                cookie,
                dir,
                name,
                replace,
                attributes,
            };
            ops::certify_and_link::apply(state, link, &certify, &proved)
        }
        (C::Reserve { dir, count }, Prepared::Cookie(cookie)) => {
            ops::reserve::apply(state, dir, count, cookie)
        }
        (C::BeginHeal { target, exclude: _ }, Prepared::Healing { cookie, services }) => {
            ops::begin_heal::apply(state, &target, cookie, &services)
        }
        (
            C::FinishHeal {
                scratch,
                cookie,
                target,
                proofs: _,
            },
            Prepared::Proved(proved),
        ) => ops::finish_heal::apply(state, (scratch, cookie), &target, &proved),
        (C::GarbageErased { erased: _ }, Prepared::Erased(facts)) => {
            ops::garbage_erased::apply(state, &facts)
        }
        (_, _) => unprepared(),
    }
}

fn apply_plain(state: &mut State<'_>, change: C) -> Reply {
    match change {
        C::CreateTransient { .. }
        | C::AddExtent(_)
        | C::ReplaceBlocks { .. }
        | C::CertifyExtent { .. }
        | C::GarbageErased { .. }
        | C::CreateWithExtent { .. }
        | C::CertifyAndLink { .. }
        | C::Reserve { .. }
        | C::BeginHeal { .. }
        | C::FinishHeal { .. } => unprepared(),
        C::AddInline {
            file,
            cookie,
            offset,
            content,
        } => ops::add_inline::apply(state, file, cookie, offset, content),
        C::AddHole {
            file,
            cookie,
            offset,
            size,
        } => ops::add_hole::apply(state, file, cookie, offset, size),
        C::Link {
            file,
            cookie,
            dir,
            name,
            replace,
            attributes,
        } => ops::link::apply(
            state,
            ops::link::Link {
                file,
                cookie,
                dir,
                name,
                replace,
                attributes,
            },
        ),
        C::CreateFile {
            dir,
            name,
            replace,
            attributes,
            content,
        } => ops::create_file::apply(state, dir, &name, replace, &attributes, content),
        C::Symlink {
            dir,
            name,
            target,
            attributes,
        } => ops::symlink::apply(state, dir, &name, target, &attributes),
        C::KeepAlive { file, cookie } => ops::keep_alive::apply(state, file, cookie),
        C::Scrap { file, cookie } => ops::scrap::apply(state, file, cookie),
        C::Unlink {
            dir,
            name,
            expected,
        } => ops::unlink::apply(state, dir, &name, expected),
        C::Rename {
            dir,
            source,
            target,
            replace,
        } => ops::rename::apply(state, dir, &ops::rename::Names { source, target }, replace),
        C::SetAttributes { inode, change } => ops::set_attributes::apply(state, inode, &change),
        C::SetPolicy { dir, policy } => ops::set_policy::apply(state, dir, policy),
        C::ClearPolicy { dir, kind } => ops::clear_policy::apply(state, dir, kind),
        C::Undelete {
            dir,
            key,
            inode,
            name,
            replace,
        } => {
            let version = ops::undelete::Version { dir, key, inode };
            ops::undelete::apply(state, &version, &name, replace)
        }
        C::CreateReserved {
            file,
            cookie,
            dir,
            name,
            replace,
            attributes,
            content,
        } => {
            let create = ops::create_reserved::Create {
                file,
                cookie,
                dir,
                name,
                replace,
                attributes,
                content,
            };
            ops::create_reserved::apply(state, create)
        }
        C::SetXattr {
            inode,
            name,
            value,
            mode,
        } => ops::set_xattr::apply(state, inode, &name, &value, mode),
        C::RemoveXattr { inode, name } => ops::remove_xattr::apply(state, inode, &name),
        C::DestroyTransient { .. }
        | C::CollectSnapshot { .. }
        | C::BeginCollect { .. }
        | C::ScrapForeign { .. }
        | C::RemoveDirectory { .. }
        | C::CreateDirectory { .. }
        | C::AbandonDirectory { .. }
        | C::LinkDirectory { .. }
        | C::LockDentry { .. }
        | C::ReleaseDentry { .. }
        | C::DetachDirectory { .. }
        | C::SettleDirectory { .. }
        | C::ReviveDirectory { .. }
        | C::LockVersion { .. }
        | C::RestoreDentry { .. }
        | C::Repair(_)
        | C::ReportTrees { .. }
        | C::SettleTrees { .. }
        | C::AdvanceTime => apply_of_servers(state, change),
    }
}

fn apply_of_servers(state: &mut State<'_>, change: C) -> Reply {
    match change {
        C::DestroyTransient { file } => ops::destroy_transient::apply(state, file),
        C::CollectSnapshot { dir, key, inode } => {
            ops::collect_snapshot::apply(state, dir, &key, inode)
        }
        C::BeginCollect { dir, key, inode } => ops::begin_collect::apply(state, dir, &key, inode),
        C::ScrapForeign { inode } => ops::scrap_foreign::apply(state, inode),
        C::RemoveDirectory { dir } => ops::remove_directory::apply(state, dir),
        C::CreateDirectory {
            dir,
            parent,
            attributes,
            transaction,
        } => {
            let place = ops::create_directory::Place { dir, parent };
            ops::create_directory::apply(state, place, &attributes, transaction)
        }
        C::AbandonDirectory { dir, transaction } => {
            ops::abandon_directory::apply(state, dir, transaction)
        }
        C::LinkDirectory {
            parent,
            name,
            dir,
            transaction,
        } => {
            let place = ops::create_directory::Place { dir, parent };
            ops::link_directory::apply(state, place, &name, transaction)
        }
        C::LockDentry {
            dir,
            name,
            purpose,
            transaction,
        } => ops::lock_dentry::apply(state, dir, &name, purpose, transaction),
        C::ReleaseDentry {
            dir,
            name,
            action,
            transaction,
        } => ops::release_dentry::apply(state, dir, &name, action, transaction),
        C::DetachDirectory { dir, transaction } => {
            ops::detach_directory::apply(state, dir, transaction)
        }
        C::SettleDirectory {
            dir,
            outcome,
            transaction,
        } => ops::settle_directory::apply(state, dir, outcome, transaction),
        C::ReviveDirectory { dir, transaction } => {
            ops::revive_directory::apply(state, dir, transaction)
        }
        C::LockVersion {
            dir,
            name,
            key,
            inode,
            transaction,
        } => {
            let version = ops::undelete::Version { dir, key, inode };
            ops::lock_version::apply(state, &version, &name, transaction)
        }
        C::RestoreDentry {
            dir,
            name,
            key,
            inode,
            transaction,
        } => {
            let version = ops::undelete::Version { dir, key, inode };
            ops::restore_dentry::apply(state, &version, &name, transaction)
        }
        C::Repair(repair) => ops::repair::apply(state, repair),
        C::ReportTrees { reports } => ops::report_trees::apply(state, &reports),
        C::SettleTrees { reported } => ops::settle_trees::apply(state, &reported),
        C::AdvanceTime => ops::advance_time::apply(),
        C::CreateTransient { .. }
        | C::AddInline { .. }
        | C::AddHole { .. }
        | C::AddExtent(_)
        | C::ReplaceBlocks { .. }
        | C::CertifyExtent { .. }
        | C::Link { .. }
        | C::CreateFile { .. }
        | C::Symlink { .. }
        | C::KeepAlive { .. }
        | C::Scrap { .. }
        | C::Unlink { .. }
        | C::Rename { .. }
        | C::SetAttributes { .. }
        | C::SetPolicy { .. }
        | C::ClearPolicy { .. }
        | C::GarbageErased { .. }
        | C::CreateWithExtent { .. }
        | C::CertifyAndLink { .. }
        | C::Undelete { .. }
        | C::Reserve { .. }
        | C::CreateReserved { .. }
        | C::SetXattr { .. }
        | C::RemoveXattr { .. }
        | C::BeginHeal { .. }
        | C::FinishHeal { .. } => unprepared(),
    }
}
