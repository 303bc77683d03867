//! Deletes a file or symlink: its dentry becomes an owned snapshot.

use eggs_proto::shard::ShardReply;
use eggs_proto::{InodeId, Name, Refusal};

use crate::state::{OpenDirectory, Ownership, State};
use crate::step::Reply;

pub(crate) fn apply(
    state: &mut State<'_>,
    dir: InodeId,
    name: &Name,
    expected: Option<InodeId>,
) -> Reply {
    let mut dir = OpenDirectory::open(state, dir)?;
    let (_, inode) = dir.get_unlocked(state, name)?;
    if expected.is_some_and(|expected| expected != inode) {
        return Err(Refusal::Changed.into());
    }
    if inode.is_directory() {
        return Err(Refusal::IsDirectory.into());
    }
    dir.bury(state, name, Ownership::Owned)?;
    dir.close(state)?;
    Ok(ShardReply::Done)
}
