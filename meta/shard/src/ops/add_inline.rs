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

#[cfg(test)]
mod tests {
    use eggs_proto::shard::{ShardChange, ShardReply};
    use eggs_proto::{ExtentProblem, INLINE_BYTES_MAX, Refusal};

    use crate::testing::{Answer, Bench};

    #[test]
    fn inline_content_is_appended_at_the_end_and_within_its_limit() {
        let mut bench = Bench::new();
        let (file, cookie) = bench.create_transient();
        let mut add = |offset, bytes: usize| -> Answer {
            bench.change(ShardChange::AddInline {
                file,
                cookie,
                offset,
                content: vec![1; bytes],
            })
        };
        let refused = |problem| Err(Refusal::BadExtent(problem));
        assert_eq!(add(0, 0), refused(ExtentProblem::Sizes));
        let too_large = add(0, INLINE_BYTES_MAX + 1);
        assert_eq!(too_large, refused(ExtentProblem::InlineTooLarge));
        assert_eq!(add(1, 5), refused(ExtentProblem::NotAtEnd));
        assert_eq!(add(0, INLINE_BYTES_MAX), Ok(ShardReply::Done));
        assert_eq!(add(0, 5), refused(ExtentProblem::NotAtEnd));
        assert_eq!(add(INLINE_BYTES_MAX as u64, 5), Ok(ShardReply::Done));
        assert_eq!(bench.stat(file).unwrap().size, INLINE_BYTES_MAX as u64 + 5);
    }
}
