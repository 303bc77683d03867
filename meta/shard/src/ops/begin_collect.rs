//! Marks an owned snapshot as being collected, so that it can no longer come back. Fine if it is marked.

use eggs_proto::shard::{ShardReply, SnapshotKey};
use eggs_proto::{InodeId, Refusal};

use super::collect_snapshot::find;
use crate::records::SnapshotRecord;
use crate::state::{OpenDirectory, State};
use crate::step::Reply;

pub(crate) fn apply(
    state: &mut State<'_>,
    dir: InodeId,
    key: &SnapshotKey,
    inode: InodeId,
) -> Reply {
    let mut dir = OpenDirectory::open(state, dir)?;
    let snapshot = find(state, dir.id, key, inode)?;
    if !snapshot.owned {
        return Err(Refusal::NoSnapshot.into());
    }
    let marked = SnapshotRecord {
        collecting: true,
        ..snapshot
    };
    dir.set_snapshot(state, key, Some(marked))?;
    dir.close_untouched(state)?;
    Ok(ShardReply::Done)
}
