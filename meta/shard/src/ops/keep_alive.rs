//! Extends the deadline of a transient file.

use eggs_proto::shard::ShardReply;
use eggs_proto::{Cookie, InodeId};

use crate::state::{OpenTransient, State};
use crate::step::Reply;

pub(crate) fn apply(state: &mut State<'_>, file: InodeId, cookie: Cookie) -> Reply {
    OpenTransient::open(state, file, cookie)?.close(state)?;
    Ok(ShardReply::Done)
}

#[cfg(test)]
mod tests {
    use eggs_proto::shard::ShardChange;
    use eggs_proto::{Refusal, TRANSIENT_MS};

    use super::*;
    use crate::testing::Bench;

    #[test]
    fn each_change_extends_the_deadline_until_it_has_passed() {
        let mut bench = Bench::new();
        let (file, cookie) = bench.create_transient();
        for _ in 0..3 {
            bench.wait_ms(TRANSIENT_MS - 2);
            let kept = bench.change(ShardChange::KeepAlive { file, cookie });
            assert_eq!(kept, Ok(ShardReply::Done));
        }
        bench.wait_ms(TRANSIENT_MS - 1); // the bench adds a millisecond to each change
        let late = bench.change(ShardChange::KeepAlive { file, cookie });
        assert_eq!(late, Err(Refusal::Expired));
    }
}
