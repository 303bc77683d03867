//! Reading a range of an extent kept in blocks: carries out what [`Race`] decides.

use bytes::{Bytes, BytesMut};
use eggs_proto::block::{BlockRefusal, BlockReply, BlockRequest};
use eggs_proto::{BlockState, Checksum, ExtentBlock, ExtentLayout, InodeId, PAGE_BYTES};
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::{Instant, sleep};

use super::decode::decode_missing;
use super::page_range::PageRange;
use super::page_store::Verdict;
use super::plan::{Standing, wants};
use super::probe::probe;
use super::race::{Fetch, Progress, Race};
use crate::client::Inner;
use crate::deadline::Deadline;
use crate::error::ClientError;
use crate::raw::BLOCK_ATTEMPT;
use crate::suspects::{Fault, Look};

/// Part of an extent.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) layout: ExtentLayout,
    pub(super) blocks: &'a [ExtentBlock],
    /// First byte, in the extent.
    pub(super) from: u64,
    /// One past the last byte.
    pub(super) to: u64,
}

/// Why it cannot be read.
#[derive(Clone, Debug)]
pub(super) struct Lost {
    /// Blocks that can still be read.
    pub(super) usable: usize,
    /// Whether some blocks were out of reach, so that it may work later.
    pub(super) may_recover: bool,
}

impl Lost {
    /// In words, for an extent of a file.
    pub(super) fn into_error(
        self,
        file: InodeId,
        offset: u64,
        layout: &ExtentLayout,
    ) -> ClientError {
        if !self.may_recover {
            return ClientError::Damaged { file, offset };
        }
        ClientError::TooFewBlocks {
            file,
            offset,
            found: self.usable,
            needed: usize::from(layout.scheme.data),
        }
    }
}

/// What one fetch came to.
struct Landed {
    fetch: Fetch,
    began: Instant,
    result: Result<(Vec<Checksum>, Bytes), ClientError>,
}

/// Reads and verifies the bytes.
pub(super) async fn read_part(
    inner: &Inner,
    part: Part<'_>,
    deadline: Deadline,
) -> Result<Bytes, Lost> {
    let standing = part
        .blocks
        .iter()
        .map(|block| standing(inner, block))
        .collect();
    let wants = wants(&part.layout, part.from, part.to);
    let race = Race::new(part.layout, wants, standing);
    let race = run(inner, part.blocks, race, deadline).await?;
    assemble(part, &race)
}

/// Fetches until every wanted page is there or can be decoded.
pub(super) async fn run(
    inner: &Inner,
    blocks: &[ExtentBlock],
    mut race: Race,
    deadline: Deadline,
) -> Result<Race, Lost> {
    let mut may_recover = false;
    let mut fetches = FuturesUnordered::new();
    let hedge_after = inner.latencies.hedge_after();
    let hedge = sleep(hedge_after);
    tokio::pin!(hedge);
    loop {
        for new in race.next_fetches() {
            fetches.push(fetch(inner, blocks, new, deadline));
        }
        match race.progress() {
            Progress::Enough => break,
            Progress::Waiting => {}
            Progress::Lost { usable } => {
                return Err(Lost {
                    usable,
                    may_recover,
                });
            }
        }
        tokio::select! {
            biased;
            Some(landed) = fetches.next() => may_recover |= land(inner, blocks, &mut race, landed),
            () = &mut hedge => {
                race.overdue();
                hedge.as_mut().reset(Instant::now() + hedge_after);
            }
        }
    }
    for index in race.laggards() {
        if let Some(block) = blocks.get(usize::from(index)) {
            inner.suspects.add(block.service, Fault::Slow);
        }
    }
    drop(fetches);
    Ok(race)
}

pub(super) fn standing(inner: &Inner, block: &ExtentBlock) -> Standing {
    match block.state {
        BlockState::Stored => {}
        BlockState::Pending | BlockState::Missing => return Standing::Gone,
    }
    let map = inner.map.current();
    let takes_reads = map
        .service(block.service)
        .is_some_and(|info| info.state.takes_reads());
    if !takes_reads {
        return Standing::LastResort;
    }
    match inner.suspects.look(block.service) {
        Look::Trusted => Standing::Good,
        Look::Suspected => Standing::LastResort,
        Look::ProbeDue => {
            probe(inner, block);
            Standing::LastResort
        }
    }
}

async fn fetch(inner: &Inner, blocks: &[ExtentBlock], fetch: Fetch, deadline: Deadline) -> Landed {
    let began = Instant::now();
    let result = match blocks.get(usize::from(fetch.index)) {
        Some(block) => read_pages(inner, block, fetch.range, deadline).await,
        None => Err(ClientError::Protocol {
            what: "a shard".to_owned(),
        }),
    };
    Landed {
        fetch,
        began,
        result,
    }
}

async fn read_pages(
    inner: &Inner,
    block: &ExtentBlock,
    range: PageRange,
    deadline: Deadline,
) -> Result<(Vec<Checksum>, Bytes), ClientError> {
    let service = block.service;
    let late = || ClientError::Deadline {
        what: format!("block service {service}"),
    };
    let timeout = deadline.clip(BLOCK_ATTEMPT).ok_or_else(late)?;
    let request = BlockRequest::Read {
        service,
        block: block.block,
        page: range.first,
        pages: range.len(),
    };
    let (reply, payload) = inner
        .block(service, &request, Bytes::new(), timeout)
        .await?;
    let BlockReply::Pages { checksums } = reply else {
        return Err(crate::raw::block::nonsense(service));
    };
    Ok((checksums, payload))
}

/// Takes an answer into account. Returns whether it was a failure that may pass.
fn land(inner: &Inner, blocks: &[ExtentBlock], race: &mut Race, landed: Landed) -> bool {
    let Landed {
        fetch,
        began,
        result,
    } = landed;
    let Some(block) = blocks.get(usize::from(fetch.index)) else {
        race.failed(fetch);
        return false;
    };
    let (service, name) = (block.service, block.block);
    match result {
        Ok((checksums, bytes)) => {
            inner.latencies.record(began.elapsed());
            if race.arrived(fetch, name, bytes, &checksums) == Verdict::Corrupt {
                tracing::warn!(%service, block = %name, "a block is damaged; decoding from others");
            }
            false
        }
        Err(error) => {
            tracing::debug!(%service, block = %name, %error, "a block cannot be read");
            race.failed(fetch);
            match &error {
                ClientError::Block { refusal, .. } => may_pass(refusal),
                _transport => true,
            }
        }
    }
}

/// Whether a block service may answer otherwise later, or another process in its place.
pub(super) const fn may_pass(refusal: &BlockRefusal) -> bool {
    match refusal {
        BlockRefusal::Overloaded | BlockRefusal::WrongService | BlockRefusal::DiskFailed(_) => true,
        BlockRefusal::NotFound
        | BlockRefusal::BadCertificate
        | BlockRefusal::Expired
        | BlockRefusal::BadPayload
        | BlockRefusal::WasErased
        | BlockRefusal::BadRange
        | BlockRefusal::NoSpace
        | BlockRefusal::Damaged
        | BlockRefusal::Forbidden
        | BlockRefusal::Malformed => false,
    }
}

/// Puts the bytes together, decoding what is missing.
fn assemble(part: Part<'_>, race: &Race) -> Result<Bytes, Lost> {
    let layout = part.layout;
    let first = layout.locate(part.from);
    let len = part.to - part.from;
    if len <= u64::from(first.cell_remaining) {
        let range = PageRange::of_bytes(first.block_offset, first.block_offset + len);
        if let Some(bytes) = race.store.whole(first.block, range) {
            let skip = (first.block_offset % PAGE_BYTES as u64) as usize;
            return Ok(bytes.slice(skip..skip + len as usize));
        }
    }
    let undecodable = |_| Lost {
        usable: 0,
        may_recover: false,
    };
    let decoded = decode_missing(&layout, &race.wants, &race.store).map_err(undecodable)?;
    let mut out = BytesMut::with_capacity(len as usize);
    let mut at = part.from;
    while at < part.to {
        let place = layout.locate(at);
        let in_page = place.block_offset % PAGE_BYTES as u64;
        let take = (PAGE_BYTES as u64 - in_page).min(part.to - at);
        let page = (place.block_offset / PAGE_BYTES as u64) as u32;
        let bytes = race.store.page(place.block, page);
        let bytes = bytes.or_else(|| decoded.get(&(place.block, page)).map(|bytes| &bytes[..]));
        let bytes = bytes.expect("a race ends when every wanted page is there or decodable");
        out.extend_from_slice(&bytes[in_page as usize..(in_page + take) as usize]);
        at += take;
    }
    Ok(out.freeze())
}
