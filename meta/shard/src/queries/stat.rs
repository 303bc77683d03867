//! Attributes of an inode, transient or not.

use eggs_proto::shard::ShardReply;
use eggs_proto::{InodeId, Refusal};

use crate::state::Reader;
use crate::step::Reply;

pub(crate) fn answer(read: Reader<'_>, inode: InodeId) -> Reply {
    read.check_shard(inode)?;
    let record = read.inode(inode)?.ok_or(Refusal::NotFound)?;
    Ok(ShardReply::Attributes(record.attributes(inode)))
}
