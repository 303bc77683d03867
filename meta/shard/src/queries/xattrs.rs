//! Extended attributes of an inode, transient or not.

use eggs_proto::shard::ShardReply;
use eggs_proto::{InodeId, Refusal, XattrName};

use crate::state::Reader;
use crate::step::{Reply, Step};

/// One of them.
pub(crate) fn one(read: Reader<'_>, inode: InodeId, name: &XattrName) -> Reply {
    check(read, inode)?;
    let value = read.xattr(inode, name)?.ok_or(Refusal::NoAttribute)?;
    Ok(ShardReply::Xattr(value.0))
}

/// All of them.
pub(crate) fn all(read: Reader<'_>, inode: InodeId) -> Reply {
    check(read, inode)?;
    Ok(ShardReply::Xattrs(read.xattrs(inode)?))
}

fn check(read: Reader<'_>, inode: InodeId) -> Step<()> {
    read.check_shard(inode)?;
    read.inode(inode)?.ok_or(Refusal::NotFound)?;
    Ok(())
}
