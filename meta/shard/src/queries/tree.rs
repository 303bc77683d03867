//! What is below a directory.

use eggs_proto::InodeId;
use eggs_proto::shard::ShardReply;

use crate::state::Reader;
use crate::step::Reply;

pub(crate) fn answer(read: Reader<'_>, dir: InodeId) -> Reply {
    read.directory(dir)?;
    Ok(ShardReply::Tree(read.tree(dir)?.total()))
}
