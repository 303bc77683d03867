//! Directories have reported their totals. One that has changed since stays to be reported.

use eggs_proto::shard::ShardReply;
use eggs_proto::{InodeId, InvalidArgument, LIST_ENTRIES_MAX, Time};

use crate::state::State;
use crate::step::Reply;

pub(crate) fn apply(state: &mut State<'_>, reported: &[(InodeId, Time)]) -> Reply {
    if reported.len() > LIST_ENTRIES_MAX as usize {
        return Err(InvalidArgument::List.into());
    }
    for (dir, version) in reported {
        state.settle_tree(*dir, *version)?;
    }
    Ok(ShardReply::Done)
}
