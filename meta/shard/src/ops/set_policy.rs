//! Overrides a policy for a directory and what inherits from it.

use eggs_proto::shard::ShardReply;
use eggs_proto::{FileTime, InodeId, Policy, Refusal};

use crate::state::State;
use crate::step::Reply;

pub(crate) fn apply(state: &mut State<'_>, dir: InodeId, policy: Policy) -> Reply {
    policy
        .validate()
        .map_err(|bad| Refusal::BadPolicy(bad.into()))?;
    let mut record = state.read().directory(dir)?;
    let at = |known: &Policy| known.kind();
    match record.policies.binary_search_by_key(&policy.kind(), at) {
        Ok(index) => {
            if let Some(known) = record.policies.get_mut(index) {
                *known = policy;
            }
        }
        Err(index) => record.policies.insert(index, policy),
    }
    record.attributes.ctime = FileTime::from(state.now);
    state.put_directory(dir, record)?;
    Ok(ShardReply::Done)
}
