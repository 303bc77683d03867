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

#[cfg(test)]
mod tests {
    use eggs_proto::shard::{ShardChange, ShardReply};
    use eggs_proto::{ExtentProblem, FILE_BYTES_MAX, InvalidArgument, Refusal};

    use crate::testing::{Answer, Bench};

    #[test]
    fn holes_may_be_as_large_as_a_file_and_many_of_them_overflow_nothing() {
        let mut bench = Bench::new();
        for _ in 0..20 {
            let (file, cookie) = bench.create_transient();
            let mut add = |offset, size| -> Answer {
                bench.change(ShardChange::AddHole {
                    file,
                    cookie,
                    offset,
                    size,
                })
            };
            let range = Err(Refusal::Invalid(InvalidArgument::Range));
            assert_eq!(add(0, 0), Err(Refusal::BadExtent(ExtentProblem::Sizes)));
            assert_eq!(add(0, u64::MAX), range);
            assert_eq!(add(0, FILE_BYTES_MAX), Ok(ShardReply::Done));
            assert_eq!(add(FILE_BYTES_MAX, 1), range);
        }
        assert_eq!(bench.usage().bytes, u64::MAX);
    }
}
