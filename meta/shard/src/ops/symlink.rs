//! Creates a symlink.

use eggs_proto::shard::{Replace, ShardReply};
use eggs_proto::{InodeId, InodeKind, InvalidArgument, Name, NewAttributes, SYMLINK_BYTES_MAX};

use crate::records::{CommonAttributes, Content, FileRecord, Life};
use crate::state::{OpenDirectory, State};
use crate::step::Reply;

pub(crate) fn apply(
    state: &mut State<'_>,
    dir: InodeId,
    name: &Name,
    target: Vec<u8>,
    attributes: &NewAttributes,
) -> Reply {
    if target.is_empty() || target.len() > SYMLINK_BYTES_MAX || target.contains(&0) {
        return Err(InvalidArgument::Target.into());
    }
    let record = FileRecord {
        attributes: CommonAttributes::new(attributes, state.now)?,
        content: Content::Target(target),
        life: Life::Linked { owners: 1 },
    };
    let mut dir = OpenDirectory::open_attached(state, dir)?;
    let inode = state.fresh_inode(InodeKind::Symlink);
    state.put_file(inode, record)?;
    dir.make_way(state, name, Replace::Never)?;
    dir.enter(state, name, inode)?;
    dir.close(state)?;
    Ok(ShardReply::Linked {
        inode,
        created: state.now,
    })
}
