//! The current dentry of a name.

use eggs_machine::bugs::{Bug, planted};
use eggs_proto::shard::{Dentry, ShardReply};
use eggs_proto::{InodeId, Name, Refusal};

use crate::records::DentryRecord;
use crate::state::Reader;
use crate::step::{Reply, Step};

pub(crate) fn answer(read: Reader<'_>, dir: InodeId, name: &Name) -> Reply {
    Ok(ShardReply::Dentry(find(read, dir, name)?))
}

/// What a name stands for, unless a transaction holds it.
pub(crate) fn find(read: Reader<'_>, dir: InodeId, name: &Name) -> Step<Dentry> {
    read.directory(dir)?;
    let record = read.dentry(dir, name)?.ok_or(Refusal::NotFound)?;
    let inode = match record.inode {
        Some(inode) if planted(Bug::ReaderIgnoresLock) => inode,
        Some(_) | None => record.unlocked()?,
    };
    describe(read, &record, inode)
}

/// A dentry with the attributes of what it stands for, as far as they are here.
pub(crate) fn describe(read: Reader<'_>, record: &DentryRecord, inode: InodeId) -> Step<Dentry> {
    let attributes = match record.carried {
        Some(carried) => Some(carried.attributes(inode)),
        None if inode.shard() == read.shard => {
            read.inode(inode)?.map(|found| found.attributes(inode))
        }
        None => None,
    };
    Ok(Dentry {
        inode,
        created: record.created,
        attributes,
    })
}
