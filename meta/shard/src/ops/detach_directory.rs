//! Bars a directory from getting entries, if it has none. Fine if the transaction has barred it, or made
//! the bar final.

use eggs_proto::shard::ShardReply;
use eggs_proto::{InodeId, InvalidArgument, Refusal, TransactionId};

use crate::records::Condition;
use crate::state::State;
use crate::step::Reply;

pub(crate) fn apply(state: &mut State<'_>, dir: InodeId, transaction: TransactionId) -> Reply {
    if dir == InodeId::ROOT {
        return Err(InvalidArgument::Kind.into());
    }
    let mut record = state.read().directory(dir)?;
    match record.condition {
        Condition::Detaching(by) | Condition::Removed(by) if by == transaction => {
            return Ok(ShardReply::Done);
        }
        Condition::Detaching(_) => return Err(Refusal::Locked.into()),
        Condition::Removed(_) => return Err(Refusal::NotFound.into()),
        Condition::Attached => {}
    }
    if record.entries > 0 {
        return Err(Refusal::NotEmpty.into());
    }
    if record.placeholders > 0 {
        return Err(Refusal::Locked.into()); // another transaction is about to put something there
    }
    record.condition = Condition::Detaching(transaction);
    state.put_directory(dir, record)?;
    Ok(ShardReply::Done)
}
