//! Putting a read together once there is enough: what arrived lies in its place already, what is missing is decoded.

use std::collections::BTreeMap;

use bytes::BytesMut;
use eggs_proto::PAGE_BYTES;

use super::decode::decode_missing;
use super::fetch::Lost;
use super::filling::Filling;
use super::page_range::PageRange;
use super::page_store::PageStore;
use super::race::Race;
use super::slots::Slots;

/// Pages made for blocks of which most arrived, by block and page.
type Mended = BTreeMap<(u8, u32), Vec<u8>>;

/// The bytes of a race that is over.
pub(super) fn assemble(race: Race, mut slots: Slots) -> Result<BytesMut, Lost> {
    let Race {
        layout,
        wants,
        mut store,
        ..
    } = race;
    // Never asked for, or asked for in vain: then the answer may still be on its way into its place.
    let mut fillings: BTreeMap<u8, Filling> = wants
        .iter()
        .filter(|(index, _)| !store.has_slots(**index))
        .map(|(index, range)| {
            let empty = slots.take(*index);
            let pieces = empty.unwrap_or_else(|| slots.replace(*index));
            (*index, Filling::new(*index, *range, pieces))
        })
        .collect();
    let mut mended = Mended::new();
    decode_missing(
        &layout,
        &wants,
        &store,
        |index, first, bytes| match fillings.get_mut(&index) {
            Some(filling) => filling.put(&store, first, bytes),
            None => mended.extend(pages(index, first, bytes)),
        },
    )
    .map_err(|_| Lost {
        usable: 0,
        may_recover: false,
    })?;
    let mut full: BTreeMap<u8, Vec<BytesMut>> = fillings
        .into_iter()
        .map(|(index, filling)| (index, filling.finish(&store)))
        .collect();
    for (index, range) in &wants {
        if let Some((mut pieces, bad)) = store.take_slots(*index) {
            let find = |page| find(*index, page, &store, &mended);
            mend(&mut pieces, *range, &bad, find);
            full.insert(*index, pieces);
        }
    }
    Ok(slots.join(full))
}

fn pages(index: u8, first: u32, bytes: &[u8]) -> impl Iterator<Item = ((u8, u32), Vec<u8>)> {
    let numbered = (first..).zip(bytes.chunks(PAGE_BYTES));
    numbered.map(move |(page, bytes)| ((index, page), bytes.to_vec()))
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

fn find<'a>(index: u8, page: u32, store: &'a PageStore, mended: &'a Mended) -> &'a [u8] {
    let read = store.page(index, page);
    read.or_else(|| mended.get(&(index, page)).map(Vec::as_slice))
        .expect("a race ends when every wanted page is there or decodable")
}
