//! Makes a transient file visible and immutable, in one step with what it replaces.

use eggs_proto::shard::{Replace, ShardReply};
use eggs_proto::{AttributeChange, Cookie, FileTime, InodeId, Name, Refusal};

use crate::records::Life;
use crate::state::{OpenDirectory, OpenTransient, State};
use crate::step::Reply;

/// What is to be linked where.
pub(crate) struct Link {
    pub(crate) file: InodeId,
    pub(crate) cookie: Cookie,
    pub(crate) dir: InodeId,
    pub(crate) name: Name,
    pub(crate) replace: Replace,
    pub(crate) attributes: AttributeChange,
}

pub(crate) fn apply(state: &mut State<'_>, link: Link) -> Reply {
    let mut file = OpenTransient::open(state, link.file, link.cookie)?;
    // Extents are contiguous by construction: each was appended at the end.
    if file.transient.pending_extents > 0 {
        return Err(Refusal::NotCertified.into());
    }
    let mut dir = OpenDirectory::open_attached(state, link.dir)?;
    dir.make_way(state, &link.name, link.replace)?;
    dir.enter(state, &link.name, link.file)?;
    dir.close(state)?;
    if !file.transient.mtime_chosen {
        file.attributes.mtime = FileTime::from(state.now);
    }
    file.attributes.change(&link.attributes, state.now)?;
    file.close_as(state, |_| Life::Linked { owners: 1 })?;
    Ok(ShardReply::Linked {
        inode: link.file,
        created: state.now,
    })
}
