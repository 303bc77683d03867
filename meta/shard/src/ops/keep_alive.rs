//! Extends the deadline of a transient file.

use eggs_proto::shard::ShardReply;
use eggs_proto::{Cookie, InodeId};

use crate::state::{OpenTransient, State};
use crate::step::Reply;

pub(crate) fn apply(state: &mut State<'_>, file: InodeId, cookie: Cookie) -> Reply {
    OpenTransient::open(state, file, cookie)?.close(state)?;
    Ok(ShardReply::Done)
}
