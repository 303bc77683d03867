//! Removes a snapshot dentry, and with an owned one of this shard its inode.
//!
//! A directory must have gone before its snapshot; a file of another shard must be on its way: its snapshot has been
//! marked by `BeginCollect`, so that nobody has brought it back since.

use eggs_proto::shard::{ShardReply, SnapshotKey};
use eggs_proto::{InodeId, Refusal};

use super::create_transient::shorten;
use crate::records::{Life, SnapshotRecord};
use crate::state::{OpenDirectory, State};
use crate::step::{Reply, Step};

pub(crate) fn apply(
    state: &mut State<'_>,
    dir: InodeId,
    key: &SnapshotKey,
    inode: InodeId,
) -> Reply {
    let mut dir = OpenDirectory::open(state, dir)?;
    let snapshot = find(state, dir.id, key, inode)?;
    if snapshot.owned {
        let here = inode.shard() == state.shard;
        match (inode.is_directory(), here) {
            (true, true) if state.read().inode(inode)?.is_some() => {
                return Err(Refusal::NotEmpty.into());
            }
            // Whether a directory of another shard is gone is for the collector to know.
            (true, true | false) => {}
            (false, true) => release(state, key, inode)?,
            (false, false) if snapshot.collecting => {}
            (false, false) => return Err(Refusal::NoSnapshot.into()),
        }
    }
    dir.set_snapshot(state, key, None)?;
    dir.close_untouched(state)?;
    Ok(ShardReply::Done)
}

/// The snapshot that is meant.
pub(crate) fn find(
    state: &State<'_>,
    dir: InodeId,
    key: &SnapshotKey,
    inode: InodeId,
) -> Step<SnapshotRecord> {
    match state.read().snapshot(dir, key)? {
        Some(snapshot) if snapshot.inode == inode => Ok(snapshot),
        Some(_) | None => Err(Refusal::NoSnapshot.into()),
    }
}

/// Ends one ownership; with the last one the file is doomed.
fn release(state: &mut State<'_>, key: &SnapshotKey, inode: InodeId) -> Step<()> {
    let mut file = state.read().file(inode)?;
    match &mut file.life {
        Life::Linked { owners } if *owners > 1 => *owners -= 1,
        Life::Linked { .. } => file.doom(state.now, shorten(key.name.to_string())),
        Life::Transient(_) => return Ok(()), // on its way already
    }
    Ok(state.put_file(inode, file)?)
}
