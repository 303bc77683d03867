//! Blocks to be erased, with certificates to do so.

use eggs_proto::shard::{GarbageBlock, ShardReply};
use eggs_proto::{BlockId, BlockServiceId, ServiceKey, Statement};

use super::page::Page;
use crate::keys;
use crate::records::GarbageRecord;
use crate::state::{Range, Reader, visit};
use crate::step::{Reply, Stop};
use eggs_machine::from_bytes;

/// Most bytes that an entry takes.
const ENTRY_BYTES: usize = 70;

pub(crate) fn answer(
    read: Reader<'_>,
    after: Option<BlockId>,
    limit: u32,
    service_keys: &dyn Fn(BlockServiceId) -> Option<ServiceKey>,
) -> Reply {
    let from = match after {
        None => Vec::new(),
        Some(last) => keys::after(&keys::garbage(last)),
    };
    let mut page = Page::new(limit);
    visit(read.store, &Range::from(keys::GARBAGE, from), |_, value| {
        let GarbageRecord {
            facts,
            write_expiry,
        } = from_bytes(value)?;
        let statement = Statement::MayErase(write_expiry);
        let block = GarbageBlock {
            facts,
            write_expiry,
            certificate: service_keys(facts.service).map(|key| key.sign(statement, &facts)),
        };
        Ok::<_, Stop>(page.add(block, ENTRY_BYTES))
    })?;
    Ok(ShardReply::Garbage {
        blocks: page.entries,
        more: page.more,
    })
}
