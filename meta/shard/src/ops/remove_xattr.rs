//! Removes an extended attribute.

use eggs_proto::shard::ShardReply;
use eggs_proto::{InodeId, Refusal, XattrName};

use crate::state::State;
use crate::step::Reply;

pub(crate) fn apply(state: &mut State<'_>, inode: InodeId, name: &XattrName) -> Reply {
    state.read().check_shard(inode)?;
    state.read().inode(inode)?.ok_or(Refusal::NotFound)?;
    let known = state.read().xattr(inode, name)?;
    known.ok_or(Refusal::NoAttribute)?;
    state.set_xattr(inode, name, None)?;
    Ok(ShardReply::Done)
}
