//! Takes log time to the leader's clock, and does nothing else. A repeat does no harm.
//!
//! What is due is decided in log time, because any single clock may be wrong; but log time stands still while nothing
//! changes. Whoever finds that something is due by the clock asks for this, and looks again. A leader that was deposed
//! meanwhile cannot commit it, and so its clock does not count.

use eggs_proto::shard::ShardReply;

use crate::step::Reply;

pub(crate) fn apply() -> Reply {
    Ok(ShardReply::Done)
}

#[cfg(test)]
mod tests {
    use eggs_proto::FileTime;
    use eggs_proto::shard::{ShardChange, ShardReply};

    use crate::testing::Bench;

    #[test]
    fn log_time_stands_still_until_it_is_advanced() {
        let mut bench = Bench::new();
        bench.create_file("a");
        let before = bench.usage();
        bench.wait_ms(60_000);
        let idle = bench.usage();
        assert_eq!(idle.changed, before.changed);
        assert!(idle.now > before.now);
        assert_eq!(bench.serve(ShardChange::AdvanceTime), Ok(ShardReply::Done));
        let after = bench.usage();
        assert_eq!(after.changed, FileTime::from(bench.now));
        assert_eq!(after.files, before.files);
    }
}
