//! Gives up a transient file: it expires at once. Fine if it has expired.

use eggs_proto::shard::ShardReply;
use eggs_proto::{Cookie, InodeId};

use crate::records::Life;
use crate::state::{OpenTransient, State};
use crate::step::Reply;

pub(crate) fn apply(state: &mut State<'_>, file: InodeId, cookie: Cookie) -> Reply {
    let mut file = OpenTransient::open_expired(state.read(), file, cookie)?;
    if state.now < file.transient.deadline {
        file.transient.deadline = state.now;
        file.close_as(state, Life::Transient)?;
    }
    Ok(ShardReply::Done)
}
