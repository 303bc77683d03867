//! What a read of a shard is about: reads of the same thing go to the same replica, whose caches know it.

use eggs_proto::InodeId;
use eggs_proto::shard::ShardQuery;

/// The inode; `None` if it is about the whole shard.
pub(super) fn subject(query: &ShardQuery) -> Option<InodeId> {
    match query {
        ShardQuery::Lookup { dir, .. }
        | ShardQuery::List { dir, .. }
        | ShardQuery::Directory { dir }
        | ShardQuery::Snapshots { dir, .. }
        | ShardQuery::Walk { dir, .. }
        | ShardQuery::Tree { dir } => Some(*dir),
        ShardQuery::Stat { inode }
        | ShardQuery::ReadLink { inode }
        | ShardQuery::GetXattr { inode, .. }
        | ShardQuery::ListXattrs { inode } => Some(*inode),
        ShardQuery::Extents { file, .. } => Some(*file),
        ShardQuery::VisitTransients { .. }
        | ShardQuery::VisitDirectories { .. }
        | ShardQuery::VisitFiles { .. }
        | ShardQuery::VisitGarbage { .. }
        | ShardQuery::FilesOnService { .. }
        | ShardQuery::Usage
        | ShardQuery::Audit { .. }
        | ShardQuery::AuditTrees { .. } => None,
    }
}
