//! XXH64 of several pages at once.
//!
//! A page is summed up by multiplications that wait for each other, in four lanes. Pages do not wait for each other: eight of
//! them are 32 lanes, which processors with 64-bit multiplication of vectors (AVX-512DQ) go through at five times the speed. Elsewhere, and
//! for a single page, the library is as fast.
//!
//! **Invariant:** the sums are those of the library, one page after the other; pinned by a property test.
//!
//! Source: the XXH64 algorithm as published by Yann Collet. Why not a library: `docs/adr/0033-pages-summed-up-together.md`.

use xxhash_rust::xxh64::xxh64;

use crate::PAGE_BYTES;

/// Pages that are summed up at once.
pub(crate) const GROUP_PAGES: usize = 8;
/// Bytes that the four lanes of a page take at once.
const STRIPE_BYTES: usize = 32;
const LANE_BYTES: usize = 8;
const _: () = assert!(PAGE_BYTES.is_multiple_of(STRIPE_BYTES));

const PRIME_1: u64 = 0x9e37_79b1_85eb_ca87;
const PRIME_2: u64 = 0xc2b2_ae3d_27d4_eb4f;
const PRIME_3: u64 = 0x1656_67b1_9e37_79f9;
const PRIME_4: u64 = 0x85eb_ca77_c2b2_ae63;

type Page = [u8; PAGE_BYTES];
type Lanes = [u64; 4];

/// XXH64 of at most [`GROUP_PAGES`] whole pages, each with the seed of its number. Those of pages that are not there are 0.
pub(crate) fn of_group(pages: &[u8], seed: impl Fn(usize) -> u64) -> [u64; GROUP_PAGES] {
    let (pages, rest) = pages.as_chunks::<PAGE_BYTES>();
    debug_assert!(rest.is_empty() && pages.len() <= GROUP_PAGES);
    #[cfg(target_arch = "x86_64")]
    if let [_, .., last] = pages
        && is_fast()
    {
        // Those that are not there cost nothing more.
        let group = std::array::from_fn(|at| pages.get(at).unwrap_or(last));
        let seeds = std::array::from_fn(&seed);
        let mut sums = fast(group, seeds);
        sums[pages.len()..].fill(0);
        return sums;
    }
    std::array::from_fn(|at| pages.get(at).map_or(0, |page| xxh64(page, seed(at))))
}

#[cfg(target_arch = "x86_64")]
fn is_fast() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

/// For processors for which [`is_fast`].
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
fn fast(pages: [&Page; GROUP_PAGES], seeds: [u64; GROUP_PAGES]) -> [u64; GROUP_PAGES] {
    #[target_feature(enable = "avx512f,avx512dq,avx512vl")]
    fn with_wide_vectors(
        pages: [&Page; GROUP_PAGES],
        seeds: [u64; GROUP_PAGES],
    ) -> [u64; GROUP_PAGES] {
        sum_up(pages, seeds)
    }
    assert!(is_fast());
    // SAFETY: the only condition is that the processor has the features that the function is compiled for: just asserted.
    unsafe { with_wide_vectors(pages, seeds) }
}

/// Written so that the compiler sees the lanes of all pages next to each other.
#[inline(always)]
fn sum_up(pages: [&Page; GROUP_PAGES], seeds: [u64; GROUP_PAGES]) -> [u64; GROUP_PAGES] {
    let mut lanes = seeds.map(begin);
    for at in (0..PAGE_BYTES).step_by(STRIPE_BYTES) {
        for (lanes, page) in lanes.iter_mut().zip(pages) {
            for (number, lane) in lanes.iter_mut().enumerate() {
                *lane = round(*lane, word(page, at + number * LANE_BYTES));
            }
        }
    }
    lanes.map(finish)
}

#[inline(always)]
fn word(page: &Page, at: usize) -> u64 {
    let mut bytes = [0; LANE_BYTES];
    bytes.copy_from_slice(&page[at..at + LANE_BYTES]);
    u64::from_le_bytes(bytes)
}

#[inline(always)]
const fn begin(seed: u64) -> Lanes {
    [
        seed.wrapping_add(PRIME_1).wrapping_add(PRIME_2),
        seed.wrapping_add(PRIME_2),
        seed,
        seed.wrapping_sub(PRIME_1),
    ]
}

#[inline(always)]
const fn round(lane: u64, word: u64) -> u64 {
    lane.wrapping_add(word.wrapping_mul(PRIME_2))
        .rotate_left(31)
        .wrapping_mul(PRIME_1)
}

/// Joins the lanes. A page is a whole number of stripes, so there is no rest to take in.
#[inline(always)]
fn finish(lanes: Lanes) -> u64 {
    let turned = [(0, 1), (1, 7), (2, 12), (3, 18)].map(|(at, by)| lanes[at].rotate_left(by));
    let mut sum = turned.into_iter().fold(0, u64::wrapping_add);
    for lane in lanes {
        sum = (sum ^ round(0, lane))
            .wrapping_mul(PRIME_1)
            .wrapping_add(PRIME_4);
    }
    sum = sum.wrapping_add(PAGE_BYTES as u64);
    sum = (sum ^ (sum >> 33)).wrapping_mul(PRIME_2);
    sum = (sum ^ (sum >> 29)).wrapping_mul(PRIME_3);
    sum ^ (sum >> 32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn expected(pages: &[u8], seeds: &[u64]) -> Vec<u64> {
        let sums = pages.chunks(PAGE_BYTES).zip(seeds);
        let mut sums: Vec<u64> = sums.map(|(page, seed)| xxh64(page, *seed)).collect();
        sums.resize(GROUP_PAGES, 0);
        sums
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn groups_of_any_length_sum_up_like_page_after_page(
            count in 0..=GROUP_PAGES,
            bytes in prop::collection::vec(any::<u8>(), 1..3 * PAGE_BYTES),
            seeds in prop::collection::vec(any::<u64>(), GROUP_PAGES),
        ) {
            let pages: Vec<u8> = bytes.into_iter().cycle().take(count * PAGE_BYTES).collect();
            let expected = expected(&pages, &seeds);
            prop_assert_eq!(of_group(&pages, |at| seeds[at]).to_vec(), expected.clone());
            // The same code without wide vectors, for machines that do not have them and run this test.
            if let ([_, ..], _) = pages.as_chunks::<PAGE_BYTES>() {
                let (pages, _) = pages.as_chunks::<PAGE_BYTES>();
                let group = std::array::from_fn(|at| &pages[at.min(pages.len() - 1)]);
                let sums = sum_up(group, std::array::from_fn(|at| seeds[at]));
                prop_assert_eq!(&sums[..count], &expected[..count]);
            }
        }
    }
}
