//! Appends bytes that are kept in the metadata.

use eggs_proto::shard::ShardReply;
use eggs_proto::{
    Cookie, Extent, ExtentBody, ExtentProblem, INLINE_BYTES_MAX, InodeId, Refusal, Time,
};

use crate::state::{OpenTransient, State};
use crate::step::Reply;

pub(crate) fn apply(
    state: &mut State<'_>,
    file: InodeId,
    cookie: Cookie,
    offset: u64,
    content: Vec<u8>,
) -> Reply {
    let mut file = OpenTransient::open(state, file, cookie)?;
    check_size(content.len())?;
    let size = content.len() as u64;
    file.check_end(offset, size)?;
    let body = ExtentBody::Inline(content);
    file.append(state, Extent { offset, size, body }, Time(0))?;
    file.close(state)?;
    Ok(ShardReply::Done)
}

/// Refuses an inline extent of this size.
pub(crate) fn check_size(bytes: usize) -> Result<(), Refusal> {
    match bytes {
        0 => Err(Refusal::BadExtent(ExtentProblem::Sizes)),
        1..=INLINE_BYTES_MAX => Ok(()),
        _ => Err(Refusal::BadExtent(ExtentProblem::InlineTooLarge)),
    }
}
