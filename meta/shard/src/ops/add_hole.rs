//! Appends zeros that are kept nowhere.

use eggs_proto::shard::ShardReply;
use eggs_proto::{Cookie, Extent, ExtentBody, ExtentProblem, InodeId, Time};

use crate::state::{OpenTransient, State};
use crate::step::Reply;

pub(crate) fn apply(
    state: &mut State<'_>,
    file: InodeId,
    cookie: Cookie,
    offset: u64,
    size: u64,
) -> Reply {
    let mut file = OpenTransient::open(state, file, cookie)?;
    if size == 0 {
        return Err(ExtentProblem::Sizes.into());
    }
    file.check_end(offset, size)?;
    let body = ExtentBody::Hole;
    file.append(state, Extent { offset, size, body }, Time(0))?;
    file.close(state)?;
    Ok(ShardReply::Done)
}
