//! Takes the totals that children report. Repeats and late reports change nothing, because of their versions.

use eggs_proto::shard::ShardReply;
use eggs_proto::tree::TreeReport;
use eggs_proto::{InvalidArgument, LIST_ENTRIES_MAX};

use crate::state::State;
use crate::step::Reply;

pub(crate) fn apply(state: &mut State<'_>, reports: &[TreeReport]) -> Reply {
    if reports.len() > LIST_ENTRIES_MAX as usize {
        return Err(InvalidArgument::List.into());
    }
    let mut taken = Vec::with_capacity(reports.len());
    for report in reports {
        let here = report.parent.shard() == state.shard;
        taken.push(here && state.take_report(report)?);
    }
    Ok(ShardReply::TreesTaken(taken))
}
