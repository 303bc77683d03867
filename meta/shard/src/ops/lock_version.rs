//! Locks a free name for a directory that comes back, if its snapshot is in the same directory. Fine if the
//! transaction holds the name.
//!
//! The directory was barred before (`ReviveDirectory`), so that its snapshot stays what it is until the name is set
//! or given up.

use eggs_proto::shard::ShardReply;
use eggs_proto::{InvalidArgument, Name, Refusal, TransactionId};

use super::undelete::Version;
use crate::records::{DentryLock, DentryRecord, LockedFor};
use crate::state::{OpenDirectory, State};
use crate::step::Reply;

pub(crate) fn apply(
    state: &mut State<'_>,
    version: &Version,
    name: &Name,
    transaction: TransactionId,
) -> Reply {
    if !version.inode.is_directory() {
        return Err(InvalidArgument::Kind.into());
    }
    let mut dir = OpenDirectory::open(state, version.dir)?;
    match dir.get(state, name)? {
        None => {}
        Some(known) => {
            let held = known
                .lock
                .is_some_and(|lock| lock.transaction == transaction);
            return match (held, known.inode, known.lock) {
                (true, inode, _) => Ok(ShardReply::DentryLocked { inode }),
                (false, Some(_), None) => Err(Refusal::Exists.into()),
                (false, Some(_) | None, _) => Err(Refusal::Locked.into()),
            };
        }
    }
    dir.record.accepts_entries()?;
    version.check(state)?;
    let locked = DentryRecord {
        inode: None,
        created: state.now,
        lock: Some(DentryLock {
            transaction,
            purpose: LockedFor::Target,
        }),
        carried: None,
    };
    dir.set(state, name, Some(locked))?;
    dir.close_untouched(state)?;
    Ok(ShardReply::DentryLocked { inode: None })
}
