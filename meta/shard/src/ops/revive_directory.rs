//! Bars a removed directory from being collected, so that it can come back; it still gets no entries. Fine if the
//! transaction has barred it.
//!
//! **Invariant:** while a directory is barred, and once it is attached, `RemoveDirectory` is refused; so no snapshot
//! of it is collected, because a collector removes a directory before its snapshot. `SettleDirectory` ends the bar:
//! `Moved` attaches the directory, `Removed` lets it be a snapshot again.

use eggs_proto::shard::ShardReply;
use eggs_proto::{InodeId, Refusal, TransactionId};

use crate::records::Condition;
use crate::state::State;
use crate::step::Reply;

pub(crate) fn apply(state: &mut State<'_>, dir: InodeId, transaction: TransactionId) -> Reply {
    let mut record = state.read().directory(dir)?;
    match record.condition {
        Condition::Detaching(by) if by == transaction => return Ok(ShardReply::Done),
        Condition::Detaching(_) => return Err(Refusal::Locked.into()),
        // It has been brought back, or this transaction has given up.
        Condition::Attached => return Err(Refusal::NoSnapshot.into()),
        Condition::Removed(by) if by == transaction => return Err(Refusal::NoSnapshot.into()),
        Condition::Removed(_) => {}
    }
    record.condition = Condition::Detaching(transaction);
    state.put_directory(dir, record)?;
    Ok(ShardReply::Done)
}
