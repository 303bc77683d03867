//! Reading a range of an extent kept in blocks: carries out what [`Race`] decides.

use bytes::BytesMut;
use eggs_proto::block::{BlockRefusal, BlockReply, BlockRequest};
use eggs_proto::{BlockState, Checksum, ExtentBlock, ExtentLayout, InodeId};
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::{Instant, sleep};

use super::assemble::assemble;
use super::page_range::PageRange;
use super::page_store::{Pieces, Verdict};
use super::plan::{Standing, wants};
use super::race::{Fetch, Progress, Race};
use super::slots::Slots;
use crate::client::Inner;
use crate::deadline::Deadline;
use crate::error::ClientError;
use crate::raw::BLOCK_ATTEMPT;
use crate::reports::{Place, blames_block};
use crate::suspects::{Fault, Look, probe};

/// Whole pages of an extent.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) place: Place,
    pub(super) layout: ExtentLayout,
    pub(super) blocks: &'a [ExtentBlock],
    /// First byte, in the extent, at the border of a page.
    pub(super) from: u64,
    /// One past the last byte, too.
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

/// What was read.
pub(super) struct Found {
    /// Whole pages.
    pub(super) pages: BytesMut,
    /// Whether a block with some of them could not be read where it should be, or should not be read there.
    pub(super) elsewhere: bool,
}

/// What one fetch came to.
struct Landed {
    fetch: Fetch,
    began: Instant,
    result: Result<(Vec<Checksum>, Pieces), ClientError>,
}

/// Reads and verifies the bytes, into memory with room for just them.
pub(super) async fn read_part(
    inner: &Inner,
    part: Part<'_>,
    memory: BytesMut,
    deadline: Deadline,
) -> Result<Found, Lost> {
    let standing = part
        .blocks
        .iter()
        .map(|block| standing(inner, block))
        .collect();
    let wants = wants(&part.layout, part.from, part.to);
    let race = Race::new(part.layout, wants, standing);
    let mut slots = Slots::cut(part.layout, part.from, part.to, memory);
    let asked = (part.place, part.blocks);
    let race = run(inner, asked, (race, &mut slots), deadline).await?;
    let elsewhere = race.is_elsewhere();
    let pages = assemble(race, slots)?;
    Ok(Found { pages, elsewhere })
}

/// Fetches until every wanted page is there or can be decoded.
pub(super) async fn run(
    inner: &Inner,
    (place, blocks): (Place, &[ExtentBlock]),
    (mut race, slots): (Race, &mut Slots),
    deadline: Deadline,
) -> Result<Race, Lost> {
    let mut may_recover = false;
    let mut fetches = FuturesUnordered::new();
    let hedge_after = inner.latencies.hedge_after();
    let hedge = sleep(hedge_after);
    tokio::pin!(hedge);
    loop {
        for new in race.next_fetches() {
            let pieces = pieces(&race, slots, new);
            fetches.push(fetch(inner, blocks, (new, pieces), deadline));
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
            Some(landed) = fetches.next() => {
                may_recover |= land(inner, (place, blocks), &mut race, landed);
            }
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
    trust(inner, block)
}

/// How far a service is trusted that may be read from.
pub(super) fn trust(inner: &Inner, block: &ExtentBlock) -> Standing {
    match inner.suspects.look(block.service) {
        Look::Trusted => Standing::Good,
        Look::Suspected => Standing::LastResort,
        Look::ProbeDue => {
            probe(inner, block.service, block.block);
            Standing::LastResort
        }
    }
}

/// Memory for what is fetched: where it belongs, if nothing else is on its way there.
fn pieces(race: &Race, slots: &mut Slots, fetch: Fetch) -> Pieces {
    let Fetch { index, range } = fetch;
    let wanted = race
        .wants
        .get(&index)
        .filter(|wanted| range.covers(**wanted));
    let slots = wanted.and_then(|wanted| Some((wanted, slots.take(index)?)));
    match slots {
        Some((wanted, slots)) => {
            Pieces::around(slots, wanted.first - range.first, range.end - wanted.end)
        }
        None => Pieces::apart(range.len()),
    }
}

async fn fetch(
    inner: &Inner,
    blocks: &[ExtentBlock],
    (fetch, pieces): (Fetch, Pieces),
    deadline: Deadline,
) -> Landed {
    let began = Instant::now();
    let result = match blocks.get(usize::from(fetch.index)) {
        Some(block) => read_pages(inner, block, (fetch.range, pieces), deadline).await,
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
    (range, pieces): (PageRange, Pieces),
    deadline: Deadline,
) -> Result<(Vec<Checksum>, Pieces), ClientError> {
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
    let (parts, outline) = pieces.into_parts();
    let (reply, parts) = inner.block_into(service, &request, parts, timeout).await?;
    match (reply, parts) {
        (BlockReply::Pages { checksums }, Some(parts)) => Ok((checksums, outline.restore(parts))),
        _other => Err(crate::raw::block::nonsense(service)),
    }
}

/// Takes an answer into account. Returns whether it was a failure that may pass.
fn land(
    inner: &Inner,
    (place, blocks): (Place, &[ExtentBlock]),
    race: &mut Race,
    landed: Landed,
) -> bool {
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
        Ok((checksums, pages)) => {
            inner.latencies.record(began.elapsed());
            if race.arrived(fetch, name, pages, &checksums) == Verdict::Corrupt {
                tracing::warn!(%service, block = %name, "a block is damaged; decoding from others");
                inner.report(place, block);
            }
            false
        }
        Err(error) => {
            tracing::debug!(%service, block = %name, %error, "a block cannot be read");
            race.failed(fetch);
            match &error {
                ClientError::Block { refusal, .. } => {
                    if blames_block(refusal) {
                        inner.report(place, block);
                    }
                    may_pass(refusal)
                }
                _transport => true,
            }
        }
    }
}

/// Whether a block service may answer otherwise later, or another process in its place.
pub(crate) const fn may_pass(refusal: &BlockRefusal) -> bool {
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
        | BlockRefusal::Malformed
        | BlockRefusal::Unreadable => false,
    }
}
