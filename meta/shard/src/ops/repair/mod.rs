//! Puts right what an audit found: rewrites what is derived from the rest, and gives names to what has none.
//!
//! Each repair computes from the state as it is when the command is applied, not from what the audit saw, and is bounded
//! by [`REPAIR_RECORDS_MAX`]. A repeat is fine.

mod adopt;
mod directory;
mod file;
mod owners;
mod recount;

use eggs_proto::audit::ShardRepair;
use eggs_proto::shard::ShardReply;
use eggs_proto::{InvalidArgument, REPAIR_RECORDS_MAX, Refusal};

use crate::state::State;
use crate::step::{Reply, Step};

pub(crate) fn apply(state: &mut State<'_>, repair: ShardRepair) -> Reply {
    if repair.shard() != state.shard {
        return Err(Refusal::WrongShard.into());
    }
    match repair {
        ShardRepair::Directory { dir } => directory::count(state, dir)?,
        ShardRepair::Parent { dir, known, parent } => {
            directory::set_parent(state, dir, directory::Parents { known, parent })?;
        }
        ShardRepair::File { file } => file::count(state, file)?,
        ShardRepair::ServiceIndex { service, file } => {
            file::rewrite_service(state, file, service)?;
        }
        ShardRepair::DeadlineIndex { deadline, file } => {
            state.rewrite_deadline(deadline, file)?;
        }
        ShardRepair::Owners { file, owners } => owners::set(state, file, &owners)?,
        ShardRepair::Adopt { dir, name, inode } => {
            return adopt::apply(state, dir, &name, inode);
        }
        ShardRepair::Recount { from, .. } => return recount::apply(state, from),
    }
    Ok(ShardReply::Done)
}

/// Counts a record that is looked at.
fn look(looked: &mut usize) -> Step<()> {
    *looked += 1;
    if *looked > REPAIR_RECORDS_MAX {
        return Err(InvalidArgument::Range.into());
    }
    Ok(())
}
