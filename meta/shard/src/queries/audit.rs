//! A part of the shard, checked.

use eggs_proto::audit::AuditCursor;
use eggs_proto::shard::ShardReply;

use crate::invariants;
use crate::state::Reader;
use crate::step::Reply;

pub(crate) fn answer(read: Reader<'_>, after: Option<&AuditCursor>, limit: u32) -> Reply {
    Ok(ShardReply::Audit(invariants::page(read, after, limit)??))
}
