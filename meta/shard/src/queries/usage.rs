//! Counters of the shard. Bytes are those of all files, transient ones included.

use eggs_proto::shard::{ShardReply, Usage};
use eggs_proto::{FileTime, Time};

use crate::state::Reader;
use crate::step::Reply;

pub(crate) fn answer(read: Reader<'_>, now: Time) -> Reply {
    let counters = read.counters()?;
    let small = |bytes: u128| u64::try_from(bytes).unwrap_or(u64::MAX);
    Ok(ShardReply::Usage(Usage {
        files: counters.files,
        directories: counters.directories,
        transients: counters.transients,
        bytes: small(counters.bytes),
        physical_bytes: small(counters.physical_bytes),
        garbage_blocks: counters.garbage_blocks,
        now: now.max(counters.now),
        changed: FileTime::from(counters.now),
    }))
}
