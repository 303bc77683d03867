//! Target of a symlink.

use eggs_proto::shard::ShardReply;
use eggs_proto::{InodeId, InvalidArgument};

use crate::records::Content;
use crate::state::Reader;
use crate::step::Reply;

pub(crate) fn answer(read: Reader<'_>, inode: InodeId) -> Reply {
    match read.file(inode)?.content {
        Content::Target(target) => Ok(ShardReply::Target(target)),
        Content::Extents { .. } | Content::Whole(_) => Err(InvalidArgument::Kind.into()),
    }
}
