//! Gives a new directory its name in its parent. Fine if it has it.

use eggs_proto::shard::{Replace, ShardReply};
use eggs_proto::{InvalidArgument, Name, TransactionId};

use super::create_directory::Place;
use crate::state::{OpenDirectory, State};
use crate::step::Reply;

pub(crate) fn apply(
    state: &mut State<'_>,
    Place { dir, parent }: Place,
    name: &Name,
    transaction: TransactionId,
) -> Reply {
    if !dir.is_directory() {
        return Err(InvalidArgument::Kind.into());
    }
    let mut parent = OpenDirectory::open_attached(state, parent)?;
    if let Some(known) = parent.get(state, name)? {
        if known.inode == Some(dir) {
            return Ok(ShardReply::Linked {
                inode: dir,
                created: known.created,
            });
        }
        let held = known
            .lock
            .is_some_and(|lock| lock.transaction == transaction);
        if known.inode.is_some() || !held {
            parent.make_way(state, name, Replace::Never)?;
        }
    }
    parent.enter(state, name, dir)?;
    parent.close(state)?;
    Ok(ShardReply::Linked {
        inode: dir,
        created: state.now,
    })
}
