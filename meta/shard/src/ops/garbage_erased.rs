//! Forgets blocks whose erasure the leader found proved. Fine if they are forgotten.

use eggs_proto::BlockFacts;
use eggs_proto::shard::ShardReply;

use crate::state::State;
use crate::step::Reply;

pub(crate) fn apply(state: &mut State<'_>, erased: &[BlockFacts]) -> Reply {
    for facts in erased {
        state.forget_erased(facts)?;
    }
    Ok(ShardReply::Done)
}
