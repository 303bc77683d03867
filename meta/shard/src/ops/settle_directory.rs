//! Ends the bar of `DetachDirectory`, or makes it final, or moves a directory. Fine if it is settled, or gone.

use eggs_machine::bugs::{Bug, planted};
use eggs_proto::shard::{DirectoryOutcome, ShardReply};
use eggs_proto::{FileTime, InodeId, InvalidArgument, Refusal, TransactionId};

use crate::records::{Condition, DirectoryRecord};
use crate::state::State;
use crate::step::{Reply, Step, Stop};

pub(crate) fn apply(
    state: &mut State<'_>,
    dir: InodeId,
    outcome: DirectoryOutcome,
    transaction: TransactionId,
) -> Reply {
    if dir == InodeId::ROOT {
        return Err(InvalidArgument::Kind.into());
    }
    let mut record = match state.read().directory(dir) {
        Err(Stop::Refused(Refusal::NotFound)) => return Ok(ShardReply::Done),
        other => other?,
    };
    let before = record.clone();
    settle(&mut record, outcome, transaction)?;
    if record != before {
        record.attributes.ctime = FileTime::from(state.now);
        state.put_directory(dir, record)?;
        if !planted(Bug::MovedTotalsForgotten) {
            state.mark_tree(dir); // the parent may be another
        }
    }
    Ok(ShardReply::Done)
}

fn settle(
    record: &mut DirectoryRecord,
    outcome: DirectoryOutcome,
    transaction: TransactionId,
) -> Step<()> {
    let held = record.condition == Condition::Detaching(transaction);
    match (outcome, record.condition) {
        (DirectoryOutcome::Attached, _) if held => record.condition = Condition::Attached,
        (DirectoryOutcome::Attached, _) => {}
        (DirectoryOutcome::Removed, _) if held => {
            record.condition = Condition::Removed(transaction);
        }
        (DirectoryOutcome::Removed, Condition::Removed(_)) => {}
        (DirectoryOutcome::Removed, Condition::Attached | Condition::Detaching(_)) => {
            return Err(Refusal::Changed.into()); // never detached by this transaction
        }
        (DirectoryOutcome::Moved { .. }, Condition::Removed(_)) => {
            return Err(Refusal::NotFound.into());
        }
        (DirectoryOutcome::Moved { parent }, Condition::Attached | Condition::Detaching(_)) => {
            if !parent.is_directory() {
                return Err(InvalidArgument::Kind.into());
            }
            record.parent = parent;
            if held {
                record.condition = Condition::Attached;
            }
        }
    }
    Ok(())
}
