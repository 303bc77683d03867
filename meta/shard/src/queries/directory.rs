//! What only directories have.

use eggs_proto::InodeId;
use eggs_proto::shard::{DirectoryInfo, ShardReply};

use crate::records::{Condition, InodeRecord};
use crate::state::Reader;
use crate::step::Reply;

pub(crate) fn answer(read: Reader<'_>, dir: InodeId) -> Reply {
    let record = read.directory(dir)?;
    Ok(ShardReply::Directory(DirectoryInfo {
        attributes: InodeRecord::Directory(record.clone()).attributes(dir),
        parent: record.parent,
        policies: record.policies,
        removed: match record.condition {
            Condition::Attached | Condition::Detaching(_) => false,
            Condition::Removed(_) => true,
        },
        snapshots: record.snapshots,
    }))
}
