//! Storing the blocks of one extent: all at once, each moving on to another service when one fails.
//!
//! **Invariant:** an extent is certified only when at least `Scheme::blocks_min` of its blocks are proved to be
//! stored.

use std::time::Duration;

use bytes::Bytes;
use eggs_proto::block::{BlockReply, BlockRequest};
use eggs_proto::shard::{PlacedBlock, ShardChange, ShardReply};
use eggs_proto::{BlockServiceId, EXCLUDE_MAX, MacTag, Refusal};
use futures::stream::{FuturesUnordered, StreamExt as _};

use super::encode::Encoded;
use super::transient::Transient;
use crate::deadline::Deadline;
use crate::error::ClientError;
use crate::raw::block::nonsense;
use crate::raw::shard::{done, unexpected};
use crate::suspects::Fault;

/// Services tried for one block.
const TRIES_MAX: usize = 6;
/// How long one service may take, besides a second for each MiB.
const PATIENCE: Duration = Duration::from_secs(5);

/// Stores all blocks and shows the proofs to the shard.
pub(super) async fn store_blocks(
    transient: &Transient,
    offset: u64,
    encoded: Encoded,
    placed: Vec<PlacedBlock>,
) -> Result<(), ClientError> {
    let deadline = transient.client.deadline();
    let count = encoded.blocks.len();
    let scheme = encoded.layout.scheme;
    let mut proofs: Vec<Option<MacTag>> = vec![None; count];
    let mut writes: FuturesUnordered<_> = placed
        .into_iter()
        .filter_map(|place| {
            let block = encoded.blocks.get(usize::from(place.index))?.clone();
            Some(store_block(transient, offset, place, block, deadline))
        })
        .collect();
    drop(encoded);
    let mut problem = None;
    while let Some(outcome) = writes.next().await {
        match outcome {
            Ok((index, proof)) => proofs[usize::from(index)] = Some(proof),
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
    let change = ShardChange::CertifyExtent {
        file: transient.file,
        cookie: transient.cookie,
        offset,
        proofs,
    };
    let shard = transient.file.shard();
    let reply = transient.client.inner.change(shard, change, deadline);
    done(shard, &reply.await?)
}

/// Stores one block, if need be on another service than the one chosen first.
async fn store_block(
    transient: &Transient,
    offset: u64,
    mut place: PlacedBlock,
    block: Bytes,
    deadline: Deadline,
) -> Result<(u8, MacTag), ClientError> {
    let mut tried = Vec::new();
    loop {
        let error = match write(transient, &place, block.clone(), deadline).await {
            Ok(proof) => return Ok((place.index, proof)),
            Err(error) => error,
        };
        let service = place.facts.service;
        let file = transient.file;
        transient.client.inner.suspects.add(service, Fault::Failed);
        tracing::info!(%service, %file, offset, %error, "a block goes to another service");
        tried.push(service);
        if tried.len() >= TRIES_MAX || deadline.remaining().is_none() {
            return Err(error);
        }
        place = replace(transient, offset, place.index, &tried, deadline).await?;
    }
}

async fn write(
    transient: &Transient,
    place: &PlacedBlock,
    block: Bytes,
    deadline: Deadline,
) -> Result<MacTag, ClientError> {
    let service = place.facts.service;
    let patience = PATIENCE + Duration::from_secs((block.len() >> 20) as u64);
    let timeout = deadline
        .clip(patience)
        .ok_or_else(|| ClientError::Deadline {
            what: format!("block service {service}"),
        })?;
    let request = BlockRequest::Write {
        facts: place.facts,
        expiry: place.expiry,
        certificate: place.certificate,
    };
    let inner = &transient.client.inner;
    let (reply, _) = inner.block(service, &request, block, timeout).await?;
    let BlockReply::Written { proof } = reply else {
        return Err(nonsense(service));
    };
    Ok(proof)
}

/// Asks for another place for one block.
async fn replace(
    transient: &Transient,
    offset: u64,
    index: u8,
    tried: &[BlockServiceId],
    deadline: Deadline,
) -> Result<PlacedBlock, ClientError> {
    let inner = &transient.client.inner;
    let mut exclude = inner.suspects.failed();
    exclude.extend_from_slice(tried);
    exclude.sort_unstable();
    exclude.dedup();
    exclude.truncate(EXCLUDE_MAX);
    let change = ShardChange::ReplaceBlocks {
        file: transient.file,
        cookie: transient.cookie,
        offset,
        indexes: vec![index],
        exclude,
    };
    let shard = transient.file.shard();
    let ShardReply::Placed(placed) = inner.change(shard, change, deadline).await? else {
        return Err(unexpected(shard));
    };
    let new = placed.into_iter().find(|new| new.index == index);
    new.ok_or_else(|| {
        Refusal::NoSpace {
            healthy: 0,
            needed: 1,
        }
        .into()
    })
}
