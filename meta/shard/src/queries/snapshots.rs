//! Old versions in a directory, removed or not.

use eggs_proto::InodeId;
use eggs_proto::shard::{ShardReply, Snapshot, SnapshotKey};

use super::page::Page;
use crate::keys;
use crate::records::SnapshotRecord;
use crate::state::{Range, Reader, visit};
use crate::step::{Reply, Stop};
use eggs_machine::from_bytes;

/// About what an entry costs besides its name.
const ENTRY_BYTES: usize = 45;

pub(crate) fn answer(
    read: Reader<'_>,
    dir: InodeId,
    after: Option<&SnapshotKey>,
    limit: u32,
) -> Reply {
    read.directory(dir)?;
    let from = match after {
        None => keys::inode(dir).to_vec(),
        Some(last) => keys::after(&keys::snapshot(dir, last)),
    };
    let range = Range::prefix(keys::SNAPSHOTS, &keys::inode(dir), from);
    let mut page = Page::new(limit);
    visit(read.store, &range, |key, value| {
        let (_, key) = keys::parse_snapshot(key)?;
        let record: SnapshotRecord = from_bytes(value)?;
        let bytes = ENTRY_BYTES + key.name.as_bytes().len();
        let snapshot = Snapshot {
            key,
            removed: record.removed,
            inode: record.inode,
            owned: record.owned,
            collecting: record.collecting,
        };
        Ok::<_, Stop>(page.add(snapshot, bytes))
    })?;
    Ok(ShardReply::Snapshots {
        snapshots: page.entries,
        more: page.more,
    })
}
