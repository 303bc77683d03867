//! Creates and links a file with inline content in one step.

use eggs_proto::shard::{Replace, ShardReply};
use eggs_proto::{Extent, ExtentBody, InodeId, InodeKind, Name, NewAttributes, Time};

use super::add_inline::check_size;
use crate::records::{CommonAttributes, Content, ExtentRecord, FileRecord, Life};
use crate::state::{OpenDirectory, State};
use crate::step::Reply;

pub(crate) fn apply(
    state: &mut State<'_>,
    dir: InodeId,
    name: &Name,
    replace: Replace,
    attributes: &NewAttributes,
    content: Vec<u8>,
) -> Reply {
    let size = content.len() as u64;
    let attributes = CommonAttributes::new(attributes, state.now)?;
    let mut dir = OpenDirectory::open_attached(state, dir)?;
    let inode = state.fresh_inode(InodeKind::File);
    if !content.is_empty() {
        check_size(content.len())?;
        let extent = Extent {
            offset: 0,
            size,
            body: ExtentBody::Inline(content),
        };
        let record = ExtentRecord {
            extent,
            write_expiry: Time(0),
        };
        state.put_extent(inode, &record)?;
    }
    let record = FileRecord {
        attributes,
        content: Content::Extents {
            size,
            physical_bytes: 0,
        },
        life: Life::Linked { owners: 1 },
    };
    state.put_file(inode, record)?;
    dir.make_way(state, name, replace)?;
    dir.enter(state, name, inode)?;
    dir.close(state)?;
    Ok(ShardReply::Linked {
        inode,
        created: state.now,
    })
}
