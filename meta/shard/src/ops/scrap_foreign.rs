//! Dooms a file of this shard whose snapshot, on another shard, is being collected. Fine if it is gone.
//!
//! A file that a dentry of this shard owns is refused: it cannot be the one that is meant.

use eggs_proto::shard::ShardReply;
use eggs_proto::{InodeId, Refusal};

use crate::records::Life;
use crate::state::State;
use crate::step::{Reply, Stop};

pub(crate) fn apply(state: &mut State<'_>, inode: InodeId) -> Reply {
    let mut file = match state.read().file(inode) {
        Err(Stop::Refused(Refusal::NotFound)) => return Ok(ShardReply::Done),
        other => other?,
    };
    match file.life {
        Life::Linked { owners: 0 } => {
            file.doom(state.now, String::new());
            state.put_file(inode, file)?;
            Ok(ShardReply::Done)
        }
        Life::Linked { .. } => Err(Refusal::NoSnapshot.into()),
        Life::Transient(transient) if transient.cookie.is_none() => Ok(ShardReply::Done),
        Life::Transient(_) => Err(Refusal::NoSnapshot.into()),
    }
}
