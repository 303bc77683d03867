//! Undoes `CreateDirectory` before anything was linked. Fine if it is undone.

use eggs_proto::shard::ShardReply;
use eggs_proto::{InodeId, Refusal, TransactionId};

use crate::state::State;
use crate::step::{Reply, Stop};

pub(crate) fn apply(state: &mut State<'_>, dir: InodeId, transaction: TransactionId) -> Reply {
    let record = match state.read().directory(dir) {
        Err(Stop::Refused(Refusal::NotFound)) => return Ok(ShardReply::Done),
        other => other?,
    };
    if record.made_by != Some(transaction) {
        return Err(Refusal::Changed.into());
    }
    if record.entries + record.placeholders + record.snapshots > 0 {
        return Err(Refusal::NotEmpty.into());
    }
    state.remove_inode(dir)?;
    state.forget_tree(dir);
    Ok(ShardReply::Done)
}
