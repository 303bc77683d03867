//! Removes a detached directory without dentries and snapshots. Fine if it is gone.

use eggs_proto::shard::ShardReply;
use eggs_proto::{InodeId, Refusal};

use crate::records::Condition;
use crate::state::State;
use crate::step::{Reply, Stop};

pub(crate) fn apply(state: &mut State<'_>, dir: InodeId) -> Reply {
    let record = match state.read().directory(dir) {
        Err(Stop::Refused(Refusal::NotFound)) => return Ok(ShardReply::Done),
        other => other?,
    };
    match record.condition {
        Condition::Attached => return Err(Refusal::Changed.into()),
        Condition::Detaching(_) => return Err(Refusal::Locked.into()),
        Condition::Removed(_) => {}
    }
    if record.entries + record.placeholders + record.snapshots > 0 {
        return Err(Refusal::NotEmpty.into());
    }
    state.remove_inode(dir)?;
    state.forget_tree(dir);
    Ok(ShardReply::Done)
}
