//! Puts right what an audit found: rewrites what is derived from the rest, and gives names to what has none.
//!
//! Each repair computes from the state as it is when the command is applied, not from what the audit saw, and is bounded:
//! counting again takes as many requests as it takes. A repeat is fine.

mod adopt;
mod carry;
mod owners;
mod parent;
mod recount;

use eggs_proto::audit::ShardRepair;
use eggs_proto::shard::ShardReply;
use eggs_proto::{InodeId, InvalidArgument, Refusal};

use crate::state::State;
use crate::step::Reply;

pub(crate) fn apply(state: &mut State<'_>, repair: ShardRepair) -> Reply {
    if repair.shard() != state.shard {
        return Err(Refusal::WrongShard.into());
    }
    match repair {
        ShardRepair::Directory { dir } => return recount::directory(state, dir),
        ShardRepair::File { file } => return recount::file(state, file),
        ShardRepair::ServiceIndex { service, file } => {
            return recount::service(state, file, service);
        }
        ShardRepair::Recount { from, .. } => return recount::shard(state, from),
        ShardRepair::GoOn { inode } => return recount::go_on(state, Some(inode)),
        ShardRepair::Adopt { dir, name, inode } => {
            return adopt::apply(state, dir, &name, inode);
        }
        ShardRepair::Parent { dir, known, parent } => {
            parent::set(state, dir, parent::Parents { known, parent })?;
        }
        ShardRepair::DeadlineIndex { deadline, file } => {
            state.rewrite_deadline(deadline, file)?;
        }
        ShardRepair::Owners { file, owners } => owners::set(state, file, &owners)?,
        ShardRepair::ForgetReport { dir, child } => {
            state.read().directory(dir)?;
            state.forget_report(dir, child)?;
        }
        ShardRepair::Carry { dir, name } => carry::apply(state, dir, &name)?,
        ShardRepair::ReportAgain { dir } => {
            state.read().directory(dir)?;
            if dir == InodeId::ROOT {
                return Err(InvalidArgument::Kind.into());
            }
            state.mark_tree(dir);
        }
    }
    Ok(ShardReply::Done)
}
