//! Transient files in order of their deadlines.

use eggs_machine::Fault;
use eggs_proto::shard::{ShardReply, TransientInfo};
use eggs_proto::{InodeId, Time};

use super::page::Page;
use crate::keys;
use crate::records::{InodeRecord, Life};
use crate::state::{Range, Reader, visit};
use crate::step::{Reply, Stop};

/// About what an entry costs besides its note.
const ENTRY_BYTES: usize = 40;

pub(crate) fn answer(
    read: Reader<'_>,
    after: Option<(Time, InodeId)>,
    limit: u32,
    now: Time,
) -> Reply {
    let from = match after {
        None => Vec::new(),
        Some((deadline, file)) => keys::after(&keys::transient(deadline, file)),
    };
    let mut page = Page::new(limit);
    visit(
        read.store,
        &Range::from(keys::TRANSIENTS, from),
        |key, _| {
            let (_, file) = keys::parse_transient(key)?;
            let info = describe(read, file)?;
            let bytes = ENTRY_BYTES + info.note.len();
            Ok::<_, Stop>(page.add(info, bytes))
        },
    )?;
    Ok(ShardReply::Transients {
        transients: page.entries,
        more: page.more,
        now: now.max(read.counters()?.now),
    })
}

fn describe(read: Reader<'_>, id: InodeId) -> Result<TransientInfo, Fault> {
    let damaged = || Fault::Damaged(format!("the deadline of {id} has no transient file"));
    let Some(InodeRecord::File(file)) = read.inode(id)? else {
        return Err(damaged());
    };
    let size = file.size();
    let Life::Transient(transient) = file.life else {
        return Err(damaged());
    };
    Ok(TransientInfo {
        file: id,
        deadline: transient.deadline,
        size,
        note: transient.note,
    })
}
