//! Files that have blocks on a service.

use eggs_proto::shard::ShardReply;
use eggs_proto::{BlockServiceId, InodeId};

use super::page::Page;
use crate::keys;
use crate::state::{Range, Reader, visit};
use crate::step::{Reply, Stop};

/// Most bytes that an id takes.
const ENTRY_BYTES: usize = 10;

pub(crate) fn answer(
    read: Reader<'_>,
    service: BlockServiceId,
    after: Option<InodeId>,
    limit: u32,
) -> Reply {
    let prefix = service.0.to_be_bytes();
    let from = match after {
        None => prefix.to_vec(),
        Some(last) => keys::after(&keys::service_file(service, last)),
    };
    let range = Range::prefix(keys::SERVICE_FILES, &prefix, from);
    let mut page = Page::new(limit);
    visit(read.store, &range, |key, _| {
        let (_, file) = keys::parse_service_file(key)?;
        Ok::<_, Stop>(page.add(file, ENTRY_BYTES))
    })?;
    Ok(ShardReply::Inodes {
        inodes: page.entries,
        more: page.more,
    })
}
