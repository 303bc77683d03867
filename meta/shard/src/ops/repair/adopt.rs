//! Gives a name to a linked file or directory that has none. Fine if it has this one.
//!
//! Whether an inode of another shard has a name, or exists, is for who asks to know: an audit has looked for all
//! names, and an inode without a name cannot get one in any other way.

use eggs_proto::shard::ShardReply;
use eggs_proto::{InodeId, Name, Refusal};

use crate::records::{Condition, InodeRecord, Life};
use crate::state::{OpenDirectory, State};
use crate::step::{Reply, Step};

pub(super) fn apply(state: &mut State<'_>, dir: InodeId, name: &Name, inode: InodeId) -> Reply {
    let mut dir = OpenDirectory::open_attached(state, dir)?;
    if let Some(known) = dir.get(state, name)? {
        return match known.unlocked()? {
            same if same == inode => Ok(ShardReply::Linked {
                inode,
                created: known.created,
            }),
            _other => Err(Refusal::Exists.into()),
        };
    }
    check_nameless(state, inode)?;
    state.own(inode)?;
    dir.enter(state, name, inode)?;
    dir.close(state)?;
    Ok(ShardReply::Linked {
        inode,
        created: state.now,
    })
}

fn check_nameless(state: &State<'_>, inode: InodeId) -> Step<()> {
    if inode.shard() != state.shard {
        return Ok(());
    }
    match state.read().inode(inode)?.ok_or(Refusal::NotFound)? {
        InodeRecord::File(file) => match file.life {
            Life::Linked { owners: 0 } => Ok(()),
            Life::Linked { .. } | Life::Transient(_) => Err(Refusal::Changed.into()),
        },
        InodeRecord::Directory(directory) => match directory.condition {
            Condition::Attached if inode != InodeId::ROOT => Ok(()),
            Condition::Attached | Condition::Detaching(_) | Condition::Removed(_) => {
                Err(Refusal::Changed.into())
            }
        },
    }
}
