//! Inherits a policy again. Fine if it is not overridden.

use eggs_proto::shard::ShardReply;
use eggs_proto::{FileTime, InodeId, PolicyKind};

use crate::state::State;
use crate::step::Reply;

pub(crate) fn apply(state: &mut State<'_>, dir: InodeId, kind: PolicyKind) -> Reply {
    let mut record = state.read().directory(dir)?;
    record.policies.retain(|policy| policy.kind() != kind);
    record.attributes.ctime = FileTime::from(state.now);
    state.put_directory(dir, record)?;
    Ok(ShardReply::Done)
}
