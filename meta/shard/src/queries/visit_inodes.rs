//! Inodes of the shard in order of their ids.

use eggs_proto::shard::ShardReply;
use eggs_proto::{InodeId, InodeKind, ShardId};

use super::page::Page;
use crate::keys;
use crate::state::{Range, Reader, visit};
use crate::step::{Reply, Stop};

/// Most bytes that an id takes.
const ENTRY_BYTES: usize = 10;

/// The smallest id of a kind.
const fn first(kind: InodeKind) -> InodeId {
    InodeId::new(kind, ShardId(0), 0)
}

pub(crate) fn directories(read: Reader<'_>, after: Option<InodeId>, limit: u32) -> Reply {
    let mut page = Page::new(limit);
    let root = InodeId::ROOT;
    let from = match after {
        None if read.shard == root.shard() => {
            // It sorts first, and exists even before it is written.
            let _ = page.add(root, ENTRY_BYTES);
            keys::after(&keys::inode(root))
        }
        None => keys::inode(first(InodeKind::Directory)).to_vec(),
        Some(last) => keys::after(&keys::inode(last)),
    };
    let end = keys::inode(first(InodeKind::File)).to_vec();
    fill(read, page, from, Some(end))
}

pub(crate) fn files(read: Reader<'_>, after: Option<InodeId>, limit: u32) -> Reply {
    let begin = keys::inode(first(InodeKind::File)).to_vec();
    let from = match after {
        None => begin,
        Some(last) => keys::after(&keys::inode(last)).max(begin),
    };
    fill(read, Page::new(limit), from, None)
}

fn fill(read: Reader<'_>, mut page: Page<InodeId>, from: Vec<u8>, until: Option<Vec<u8>>) -> Reply {
    let range = Range {
        until,
        ..Range::from(keys::INODES, from)
    };
    visit(read.store, &range, |key, _| {
        Ok::<_, Stop>(page.add(keys::parse_inode(key)?, ENTRY_BYTES))
    })?;
    Ok(ShardReply::Inodes {
        inodes: page.entries,
        more: page.more,
    })
}
