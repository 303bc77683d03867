//! Storing the blocks of one extent: all at once, each moving on to another service when one fails, or when it takes much
//! longer than those of the others.
//!
//! **Invariant:** proofs of an extent are handed on only when at least `Scheme::blocks_min` of its blocks are
//! stored.

use eggs_proto::shard::{ExtentProofs, PlacedBlock, ShardChange, ShardReply};
use eggs_proto::{BlockServiceId, EXCLUDE_MAX, MacTag, Refusal};
use eggs_rpc::Payload;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::avoid::avoided;
use super::encode::Encoded;
use super::field::{Field, Lead};
use super::spare::{Spare, Spares};
use super::transient::Transient;
use super::write_block::write_block;
use crate::deadline::Deadline;
use crate::error::ClientError;
use crate::raw::shard::unexpected;
use crate::suspects::Fault;

/// Services tried for one block.
const TRIES_MAX: usize = 6;

/// Stores all blocks. The proofs are for the shard, together with what it is asked next.
pub(super) async fn store_blocks(
    transient: &Transient,
    offset: u64,
    encoded: Encoded,
    placed: Vec<PlacedBlock>,
) -> Result<ExtentProofs, ClientError> {
    let deadline = transient.client.deadline();
    let count = encoded.blocks.len();
    let scheme = encoded.layout.scheme;
    let mut proofs: Vec<Option<MacTag>> = vec![None; count];
    let store = Store {
        spares: Spares::of(
            &transient.client.inner.map.current(),
            &placed,
            &to_avoid(transient),
        ),
        transient,
        offset,
        deadline,
        replacing: Mutex::new(()),
        field: Field::new(scheme.blocks_min().max(usize::from(scheme.data))),
    };
    let mut writes: FuturesUnordered<_> = placed
        .into_iter()
        .filter_map(|place| {
            let block = encoded.blocks.get(usize::from(place.index))?.clone();
            Some(store.block(place, block))
        })
        .collect();
    drop(encoded);
    let mut problem = None;
    while let Some(outcome) = writes.next().await {
        match outcome {
            Ok((index, proof)) => {
                proofs[usize::from(index)] = Some(proof);
                store.field.stored(proofs.iter().flatten().count());
            }
            Err(error) => problem = Some(error),
        }
    }
    drop(writes);
    let stored = proofs.iter().flatten().count();
    if stored < scheme.blocks_min() {
        let too_few = ClientError::TooFewBlocks {
            file: transient.file,
            offset,
            found: stored,
            needed: scheme.blocks_min(),
        };
        return Err(match problem {
            Some(ClientError::Refused(refusal)) => refusal.into(),
            Some(_) | None => too_few,
        });
    }
    if stored < count {
        let file = transient.file;
        tracing::warn!(%file, offset, stored, count, "an extent is stored with less redundancy than its policy asks for");
    }
    Ok(ExtentProofs { offset, proofs })
}

/// The storing of one extent.
struct Store<'a> {
    transient: &'a Transient,
    offset: u64,
    deadline: Deadline,
    /// The shard refuses a replacement that was chosen while another one of the same extent was.
    replacing: Mutex<()>,
    field: Field,
    /// Where stragglers could go.
    spares: Spares,
}

/// How the writing of a block in one place ended.
enum Written {
    Proved(MacTag),
    Failed(ClientError),
    /// It moves on, because the others were much faster.
    Overtaken,
    /// It is done without, for the same reason: there is nowhere to go.
    GivenUp,
}

impl Store<'_> {
    /// Stores one block, if need be on another service than the one chosen first.
    async fn block(
        &self,
        mut place: PlacedBlock,
        block: Payload,
    ) -> Result<(u8, MacTag), ClientError> {
        let mut tried = Vec::new();
        loop {
            let service = place.facts.service;
            tried.push(service);
            let last = tried.len() >= TRIES_MAX || self.deadline.remaining().is_none();
            let (file, offset) = (self.transient.file, self.offset);
            let suspects = &self.transient.client.inner.suspects;
            let spare = match self.write_or_overtake(&place, block.clone(), last).await {
                Written::Proved(proof) => return Ok((place.index, proof)),
                Written::Overtaken => {
                    suspects.add(service, Fault::WriteSlow);
                    tracing::info!(%service, %file, offset, "a block that takes too long goes elsewhere");
                    Spare::Taken
                }
                Written::GivenUp => {
                    suspects.add(service, Fault::WriteSlow);
                    suspects.add(service, Fault::Failed);
                    tracing::info!(%service, %file, offset, "a block that takes too long is done without");
                    let what = format!("block service {service}");
                    return Err(ClientError::Deadline { what });
                }
                Written::Failed(error) => {
                    suspects.add(service, Fault::WriteRefused);
                    tracing::info!(%service, %file, offset, %error, "a block goes elsewhere");
                    if last {
                        return Err(error);
                    }
                    self.spares.take()
                }
            };
            place = self.replace(place.index, &tried, spare).await?;
        }
    }

    /// Writes in one place, until the others are far ahead.
    async fn write_or_overtake(
        &self,
        place: &PlacedBlock,
        block: Payload,
        last_try: bool,
    ) -> Written {
        let inner = &self.transient.client.inner;
        let began = Instant::now();
        let mut writing = std::pin::pin!(write_block(inner, place, block, self.deadline));
        let ended = |written| match written {
            Ok(proof) => Written::Proved(proof),
            Err(error) => Written::Failed(error),
        };
        tokio::select! {
            biased;
            written = &mut writing => return ended(written),
            () = self.field.overtaken(began, Lead::Move), if !last_try => {
                match self.spares.take() {
                    Spare::Taken => return Written::Overtaken,
                    Spare::None => {}
                }
            }
        }
        tokio::select! {
            biased;
            written = writing => ended(written),
            () = self.field.overtaken(began, Lead::GiveUp) => Written::GivenUp,
        }
    }

    /// Asks for another place for one block. From then on a proof of the old one is worth nothing; without a place the
    /// extent does without the block. So what is slow is avoided only where that is not the outcome.
    async fn replace(
        &self,
        index: u8,
        tried: &[BlockServiceId],
        spare: Spare,
    ) -> Result<PlacedBlock, ClientError> {
        let _alone = self.replacing.lock().await;
        let transient = self.transient;
        let inner = &transient.client.inner;
        let mut exclude = match spare {
            Spare::Taken => to_avoid(transient),
            Spare::None => avoided(inner).failed,
        };
        exclude.retain(|service| !tried.contains(service));
        exclude.truncate(EXCLUDE_MAX.saturating_sub(tried.len()));
        exclude.extend_from_slice(tried);
        let change = ShardChange::ReplaceBlocks {
            file: transient.file,
            cookie: transient.cookie,
            offset: self.offset,
            indexes: vec![index],
            exclude,
        };
        let shard = transient.file.shard();
        let reply = inner.change(shard, change, self.deadline).await?;
        let ShardReply::Placed(placed) = reply else {
            return Err(unexpected(shard));
        };
        let nowhere = Refusal::NoSpace {
            healthy: 0,
            needed: 1,
        };
        let new = placed.into_iter().find(|new| new.index == index);
        new.ok_or_else(|| nowhere.into())
    }
}

/// Services that blocks should not move to, those that failed first.
fn to_avoid(transient: &Transient) -> Vec<BlockServiceId> {
    let avoided = avoided(&transient.client.inner);
    [avoided.failed, avoided.slow].concat()
}
