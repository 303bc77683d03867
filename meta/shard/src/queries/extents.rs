//! Extents of a file from a byte on.
//!
//! A transient file shows them to who holds its cookie, and to servers.

use std::ops::ControlFlow;

use eggs_proto::hello::PeerRole;
use eggs_proto::shard::ShardReply;
use eggs_proto::{Cookie, Extent, ExtentBody, InodeId, InvalidArgument, Refusal};

use super::page::Page;
use crate::keys;
use crate::records::{Content, ExtentRecord, FileRecord, Life};
use crate::state::{Range, Reader, visit};
use crate::step::{Reply, Step, Stop};
use eggs_machine::from_bytes;

/// Why the reader may see a transient file.
#[derive(Clone, Copy)]
pub(crate) struct ReadRight {
    pub(crate) origin: PeerRole,
    pub(crate) cookie: Option<Cookie>,
}

pub(crate) fn answer(
    read: Reader<'_>,
    id: InodeId,
    offset: u64,
    limit: u32,
    right: ReadRight,
) -> Reply {
    let file = read.file(id)?;
    check_right(&file, right)?;
    let mut page = Page::new(limit);
    match file.content {
        Content::Extents { .. } => fill(&mut page, read, id, offset)?,
        Content::Whole(bytes) => fill_with_whole(&mut page, bytes, offset),
        Content::Target(_) => return Err(InvalidArgument::Kind.into()),
    }
    Ok(ShardReply::Extents {
        extents: page.entries,
        more: page.more,
    })
}

fn fill(page: &mut Page<Extent>, read: Reader<'_>, id: InodeId, offset: u64) -> Step<()> {
    let at_or_before = read.extents_until(id, offset, 1)?;
    let first = at_or_before
        .first()
        .map_or(0, |record| record.extent.offset);
    let range = Range::prefix(
        keys::EXTENTS,
        &keys::inode(id),
        keys::extent(id, first).to_vec(),
    );
    visit(read.store, &range, |_, value| {
        let record: ExtentRecord = from_bytes(value)?;
        if record.extent.end() <= offset {
            return Ok::<_, Stop>(ControlFlow::Continue(()));
        }
        let bytes = encoded_bytes(&record.extent);
        Ok(page.add(record.extent, bytes))
    })
}

fn fill_with_whole(page: &mut Page<Extent>, bytes: Vec<u8>, offset: u64) {
    let size = bytes.len() as u64;
    if offset < size {
        let extent = Extent {
            offset: 0,
            size,
            body: ExtentBody::Inline(bytes),
        };
        let bytes = encoded_bytes(&extent);
        let _the_only_one = page.add(extent, bytes);
    }
}

fn check_right(file: &FileRecord, right: ReadRight) -> Step<()> {
    let (Life::Transient(transient), PeerRole::Client) = (&file.life, right.origin) else {
        return Ok(());
    };
    match right.cookie {
        None => Err(Refusal::NotFound.into()),
        cookie if cookie == transient.cookie => Ok(()),
        Some(_) => Err(Refusal::BadCookie.into()),
    }
}

fn encoded_bytes(extent: &Extent) -> usize {
    const EXTENT_BYTES: usize = 40;
    const BLOCK_BYTES: usize = 31;
    EXTENT_BYTES
        + match &extent.body {
            ExtentBody::Inline(content) => content.len(),
            ExtentBody::Hole => 0,
            ExtentBody::Blocks { blocks, .. } => blocks.len() * BLOCK_BYTES,
        }
}
