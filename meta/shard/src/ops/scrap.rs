//! Gives up a transient file: it expires at once. Fine if it has expired.

use eggs_proto::shard::ShardReply;
use eggs_proto::{Cookie, InodeId};

use crate::state::{OpenTransient, State};
use crate::step::Reply;

pub(crate) fn apply(state: &mut State<'_>, file: InodeId, cookie: Cookie) -> Reply {
    let mut file = OpenTransient::open_expired(state.read(), file, cookie)?;
    if state.now < file.transient.deadline {
        file.transient.deadline = state.now;
        file.close_as_it_is(state)?;
    }
    Ok(ShardReply::Done)
}

#[cfg(test)]
mod tests {
    use eggs_proto::Refusal;
    use eggs_proto::shard::ShardChange;

    use super::*;
    use crate::testing::Bench;

    #[test]
    fn a_scrapped_file_can_be_destroyed_at_once_and_not_be_linked() {
        let mut bench = Bench::new();
        let (file, cookie) = bench.create_transient();
        let early = bench.destroy(file);
        assert_eq!(early, Err(Refusal::Changed));
        let scrap = ShardChange::Scrap { file, cookie };
        assert_eq!(bench.change(scrap.clone()), Ok(ShardReply::Done));
        assert_eq!(bench.change(scrap), Ok(ShardReply::Done));
        assert_eq!(bench.link((file, cookie), "a"), Err(Refusal::Expired));
        assert_eq!(bench.destroy(file), Ok(1));
        assert_eq!(bench.stat(file), Err(Refusal::NotFound));
        assert_eq!(bench.usage().transients, 0);
    }
}
