//! Changes attributes of an inode, transient files included.

use eggs_proto::shard::ShardReply;
use eggs_proto::{AttributeChange, InodeId, Refusal};

use crate::records::{InodeRecord, Life};
use crate::state::State;
use crate::step::Reply;

pub(crate) fn apply(state: &mut State<'_>, inode: InodeId, change: &AttributeChange) -> Reply {
    state.read().check_shard(inode)?;
    let mut record = state.read().inode(inode)?.ok_or(Refusal::NotFound)?;
    record.common_mut().change(change, state.now)?;
    if change.mtime.is_some()
        && let InodeRecord::File(file) = &mut record
        && let Life::Transient(transient) = &mut file.life
    {
        transient.mtime_chosen = true;
    }
    state.put_inode(inode, &record)?;
    Ok(ShardReply::Attributes(record.attributes(inode)))
}
