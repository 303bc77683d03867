//! Counts a shard again while it is in use: a bounded number of inodes and blocks per request.
//!
//! What has been counted is remembered in the state together with where the counting is, and every change of an inode or
//! of the garbage before that place is counted there as well (`state/recount.rs`). So the end is exact, whatever
//! happened in between, and replaces the counters. Beginning again, or going on when it has ended, is fine.

use eggs_proto::audit::RecountFrom;
use eggs_proto::shard::ShardReply;

use crate::state::State;
use crate::step::Reply;

/// Most records per request.
const RECORDS_MAX: usize = 4096;

pub(super) fn apply(state: &mut State<'_>, from: RecountFrom) -> Reply {
    match from {
        RecountFrom::Beginning => state.begin_recount()?,
        RecountFrom::Here => {}
    }
    let finished = state.go_on_recounting(RECORDS_MAX)?;
    Ok(ShardReply::Progress { finished })
}
