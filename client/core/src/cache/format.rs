//! Bytes of the cache file.
//!
//! ```text
//! 0             the head: magic "EGGSRCH\n", version (u32), zero (u32), number of slots (u64), XXH64 over bytes 0..24
//! 4096          one label for each slot, 192 bytes:
//!    0   4  magic "EGSL"
//!    4   4  number of the chunk in the content
//!    8  16  name of the content
//!   24   2  pages that are there, one bit each
//!   32 128  their checksums, XXH64 seeded with name and page
//!  184   8  XXH64 over bytes 0..184
//! …             the slots, 64 KiB each, at a multiple of 64 KiB
//! ```
//!
//! All numbers are little-endian. A label that does not fit its checksum is an empty slot.

use eggs_proto::PAGE_BYTES;
use xxhash_rust::xxh64::xxh64;

/// Version of the format, in the name of the file: another version is another file.
pub(super) const FILE_NAME: &str = "cache-1";
/// What files of all versions begin with.
pub(super) const FILE_PREFIX: &str = "cache-";
const VERSION: u32 = 1;
/// Bytes of a slot, and of the piece of content that it holds.
pub(super) const SLOT_BYTES: usize = 64 << 10;
/// Pages of a slot.
pub(super) const SLOT_PAGES: usize = SLOT_BYTES / PAGE_BYTES;
/// Bytes of a label.
pub(super) const LABEL_BYTES: usize = 192;
/// Where labels begin.
pub(super) const LABELS_AT: u64 = 4096;
/// Bytes of the head.
pub(super) const HEAD_BYTES: usize = 32;
const MAGIC: [u8; 8] = *b"EGGSRCH\n";
const LABEL_MAGIC: [u8; 4] = *b"EGSL";
const LABEL_SUM_AT: usize = LABEL_BYTES - 8;
const SUMS_AT: usize = 32;
const _: () = assert!(SUMS_AT + 8 * SLOT_PAGES <= LABEL_SUM_AT);
const _: () = assert!(SLOT_PAGES <= u16::BITS as usize);

/// What of which content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ChunkName {
    /// Name of the content.
    pub key: u128,
    /// Which 64 KiB of it.
    pub chunk: u32,
}

/// The label of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub name: ChunkName,
    /// Pages that are there, one bit each.
    pub present: u16,
    /// Their checksums.
    pub sums: [u64; SLOT_PAGES],
}

impl Label {
    pub fn encode(&self) -> [u8; LABEL_BYTES] {
        let mut out = [0; LABEL_BYTES];
        out[..4].copy_from_slice(&LABEL_MAGIC);
        out[4..8].copy_from_slice(&self.name.chunk.to_le_bytes());
        out[8..24].copy_from_slice(&self.name.key.to_le_bytes());
        out[24..26].copy_from_slice(&self.present.to_le_bytes());
        for (place, sum) in out[SUMS_AT..].chunks_exact_mut(8).zip(self.sums) {
            place.copy_from_slice(&sum.to_le_bytes());
        }
        let own = xxh64(&out[..LABEL_SUM_AT], 0);
        out[LABEL_SUM_AT..].copy_from_slice(&own.to_le_bytes());
        out
    }

    /// `None` for anything that was not written as a label.
    pub fn decode(bytes: &[u8; LABEL_BYTES]) -> Option<Self> {
        if bytes[..4] != LABEL_MAGIC
            || word(bytes, LABEL_SUM_AT) != xxh64(&bytes[..LABEL_SUM_AT], 0)
        {
            return None;
        }
        let key = u128::from(word(bytes, 8)) | u128::from(word(bytes, 16)) << 64;
        let chunk = (word(bytes, 0) >> 32) as u32;
        Some(Self {
            name: ChunkName { key, chunk },
            present: word(bytes, 24) as u16,
            sums: std::array::from_fn(|page| word(bytes, SUMS_AT + 8 * page)),
        })
    }
}

/// The beginning of a file with so many slots.
pub(super) fn head(slots: u32) -> [u8; HEAD_BYTES] {
    let mut out = [0; HEAD_BYTES];
    out[..8].copy_from_slice(&MAGIC);
    out[8..12].copy_from_slice(&VERSION.to_le_bytes());
    out[16..24].copy_from_slice(&u64::from(slots).to_le_bytes());
    let own = xxh64(&out[..24], 0);
    out[24..].copy_from_slice(&own.to_le_bytes());
    out
}

/// Where slots begin in a file with so many.
pub(super) fn slots_at(slots: u32) -> u64 {
    let labels = LABELS_AT + u64::from(slots) * LABEL_BYTES as u64;
    labels.next_multiple_of(SLOT_BYTES as u64)
}

/// Bytes of a file with so many slots.
pub(super) fn file_bytes(slots: u32) -> u64 {
    slots_at(slots) + u64::from(slots) * SLOT_BYTES as u64
}

/// As many slots as fit; none if it is too small.
pub(super) fn slots_in(bytes: u64) -> u32 {
    let most = bytes / (SLOT_BYTES + LABEL_BYTES) as u64;
    let most = u32::try_from(most).unwrap_or(u32::MAX);
    let fits = |slots: &u32| file_bytes(*slots) <= bytes;
    // Rounding takes at most two of them.
    (most.saturating_sub(2)..=most)
        .rev()
        .find(fits)
        .unwrap_or(0)
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    for (to, from) in word.iter_mut().zip(bytes.iter().skip(at)) {
        *to = *from;
    }
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label() -> Label {
        Label {
            name: ChunkName {
                key: 0x0123_4567_89ab_cdef_1122_3344_5566_7788,
                chunk: 77,
            },
            present: 0b1010_0000_0000_0001,
            sums: std::array::from_fn(|page| page as u64 * 3),
        }
    }

    #[test]
    fn a_label_comes_back_and_no_flipped_bit_is_overlooked() {
        let bytes = label().encode();
        assert_eq!(Label::decode(&bytes), Some(label()));
        for bit in 0..LABEL_BYTES * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Label::decode(&bytes), None, "bit {bit}");
        }
        assert_eq!(Label::decode(&[0; LABEL_BYTES]), None);
    }

    #[test]
    fn the_bytes_are_pinned() {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(
            hex(&label().encode()[..40]),
            "4547534c4d0000008877665544332211efcdab896745230101a00000000000000000000000000000"
        );
        assert_eq!(
            hex(&head(5)[..24]),
            "454747535243480a01000000000000000500000000000000"
        );
    }

    #[test]
    fn a_file_is_never_larger_than_it_may_be_and_little_is_wasted() {
        for bytes in [0, 4096, 70_000, 1 << 20, (1 << 20) + 5, 10 << 30, 4 << 40] {
            let slots = slots_in(bytes);
            assert!(slots == 0 || file_bytes(slots) <= bytes, "{bytes}");
            assert!(
                bytes < (2 << 20) || file_bytes(slots) + (200 << 10) > bytes,
                "{bytes}"
            );
        }
        assert_eq!(slots_in(0), 0);
    }
}
