//! Counts a shard, a directory or a file again while it is in use: a bounded number of records per request
//! (`state/recount/`). One thing at a time: beginning with another gives up what was being counted, and who goes on with
//! that is told. Beginning again, or going on when it has ended, is fine.

use eggs_proto::audit::RecountFrom;
use eggs_proto::shard::ShardReply;
use eggs_proto::{BlockServiceId, InodeId, Refusal};

use crate::state::State;
use crate::step::Reply;

/// Most records per request; few in tests, so that everything there takes several.
const RECORDS_MAX: usize = if cfg!(test) { 6 } else { 4096 };

pub(super) fn shard(state: &mut State<'_>, from: RecountFrom) -> Reply {
    match from {
        RecountFrom::Beginning => state.begin_recount()?,
        RecountFrom::Here => return go_on(state, None),
    }
    count(state)
}

pub(super) fn directory(state: &mut State<'_>, dir: InodeId) -> Reply {
    state.read().directory(dir)?;
    state.begin_recount_of_directory(dir);
    count(state)
}

pub(super) fn file(state: &mut State<'_>, file: InodeId) -> Reply {
    state.read().file(file)?;
    state.begin_recount_of_file(file, None);
    count(state)
}

/// The file need not exist.
pub(super) fn service(state: &mut State<'_>, file: InodeId, service: BlockServiceId) -> Reply {
    if file.is_directory() {
        return Err(Refusal::IsDirectory.into());
    }
    state.begin_recount_of_file(file, Some(service));
    count(state)
}

pub(super) fn go_on(state: &mut State<'_>, inode: Option<InodeId>) -> Reply {
    if state.counts_other_than(inode) {
        return Err(Refusal::Changed.into());
    }
    count(state)
}

fn count(state: &mut State<'_>) -> Reply {
    let finished = state.go_on_recounting(RECORDS_MAX)?;
    Ok(ShardReply::Progress { finished })
}
