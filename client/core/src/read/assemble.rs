//! Putting a read together once there is enough: what arrived lies in its place already, what is missing is decoded.

use std::collections::BTreeMap;

use bytes::BytesMut;
use eggs_proto::PAGE_BYTES;

use super::decode::{Decoded, decode_missing};
use super::fetch::Lost;
use super::page_range::PageRange;
use super::page_store::PageStore;
use super::race::Race;
use super::slots::Slots;

/// The bytes of a race that is over.
pub(super) fn assemble(race: Race, mut slots: Slots) -> Result<BytesMut, Lost> {
    let Race {
        layout,
        wants,
        mut store,
        ..
    } = race;
    let undecodable = |_| Lost {
        usable: 0,
        may_recover: false,
    };
    let decoded = decode_missing(&layout, &wants, &store).map_err(undecodable)?;
    let mut full = BTreeMap::new();
    for (index, range) in &wants {
        let pieces = match store.take_slots(*index) {
            Some((mut pieces, bad)) => {
                mend(&mut pieces, *range, &bad, |page| {
                    find(*index, page, &store, &decoded)
                });
                pieces
            }
            None => {
                // Never asked for, or asked for in vain: then the answer may still be on its way into them.
                let empty = slots.take(*index);
                let mut pieces = empty.unwrap_or_else(|| slots.replace(*index));
                let mut pages = range.pages();
                for piece in &mut pieces {
                    for page in pages.by_ref().take(piece.capacity() / PAGE_BYTES) {
                        piece.extend_from_slice(find(*index, page, &store, &decoded));
                    }
                }
                pieces
            }
        };
        full.insert(*index, pieces);
    }
    Ok(slots.join(full))
}

/// Replaces pages that are not good.
fn mend<'a>(
    pieces: &mut [BytesMut],
    range: PageRange,
    bad: &[u32],
    find: impl Fn(u32) -> &'a [u8],
) {
    let places = pieces
        .iter_mut()
        .flat_map(|piece| piece.chunks_exact_mut(PAGE_BYTES));
    for (page, place) in range.pages().zip(places) {
        if bad.contains(&page) {
            place.copy_from_slice(find(page));
        }
    }
}

fn find<'a>(index: u8, page: u32, store: &'a PageStore, decoded: &'a Decoded) -> &'a [u8] {
    let read = store.page(index, page);
    read.or_else(|| decoded.get(&(index, page)).map(|bytes| &bytes[..]))
        .expect("a race ends when every wanted page is there or decodable")
}
