//! How far to read ahead: not at all until reads follow one another, then twice as far as they have come, up to a limit.
//!
//! What is read ahead is asked for in pieces that grow with it: one request to each block service brings its cells of
//! several stripes.
//!
//! Pure.

use std::ops::Range;

/// Farthest, in bytes.
const WINDOW_MAX: u64 = 32 << 20;
/// First step, in bytes.
const WINDOW_MIN: u64 = 512 << 10;
/// Pieces begin and end at multiples of this, or where an extent does.
pub(super) const GRAIN: u64 = 1 << 20;
/// Lengths of pieces. Few, so that their memory can be used again; they divide an extent of the built-in policy.
const PIECES: [u64; 4] = [GRAIN, 2 << 20, 5 << 20, 10 << 20];

#[derive(Clone, Debug, Default)]
pub(super) struct Readahead {
    /// Where the next read is expected.
    next: u64,
    /// How many bytes were read one after the other.
    run: u64,
    /// How far to read ahead.
    window: u64,
}

impl Readahead {
    /// Takes note of a read of `offset..end` and says which bytes should be on their way by now; `None` if reads
    /// do not follow one another. Reads made at the same time may arrive a little out of order.
    pub(super) fn note(&mut self, offset: u64, end: u64, size: u64) -> Option<Range<u64>> {
        let len = end - offset;
        let slack = self.window.max(len);
        let near = offset.abs_diff(self.next) <= slack;
        if !near {
            (self.next, self.run, self.window) = (end, len, 0);
            return None;
        }
        if end > self.next {
            self.run += end - self.next;
            if self.window > 0 || self.next > 0 {
                self.window = (self.run * 2).clamp(WINDOW_MIN, WINDOW_MAX);
            }
            self.next = end;
        }
        if self.window == 0 {
            return None; // the very first read: perhaps only the head is wanted
        }
        Some(offset..(self.next + self.window).min(size).max(end))
    }

    /// How long a piece of what is read ahead should be: so that about three are on their way.
    pub(super) fn piece(&self) -> u64 {
        let third = self.window / 3;
        let fitting = PIECES.into_iter().rev().find(|piece| *piece <= third);
        fitting.unwrap_or(GRAIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 1 << 30;
    const LEN: u64 = 128 << 10;

    #[test]
    fn sequential_reads_open_the_window_and_it_stays_bounded() {
        let mut ahead = Readahead::default();
        assert_eq!(ahead.note(0, LEN, SIZE), None);
        let mut far = 0;
        for i in 1..100 {
            let range = ahead.note(i * LEN, (i + 1) * LEN, SIZE).unwrap();
            assert!(range.end >= far, "never shrinks");
            far = range.end;
            assert!(range.end - (i + 1) * LEN <= WINDOW_MAX);
        }
        assert_eq!(
            far,
            100 * LEN + 2 * 100 * LEN,
            "as far again as twice what was read"
        );
        for i in 100..400 {
            far = ahead.note(i * LEN, (i + 1) * LEN, SIZE).unwrap().end;
        }
        assert_eq!((far, ahead.piece()), (400 * LEN + WINDOW_MAX, PIECES[3]));
    }

    #[test]
    fn reads_out_of_order_are_still_sequential() {
        let mut ahead = Readahead::default();
        for i in [0, 1, 2, 4, 3, 6, 5, 7] {
            let _ = ahead.note(i * LEN, (i + 1) * LEN, SIZE);
        }
        assert!(ahead.note(8 * LEN, 9 * LEN, SIZE).is_some());
    }

    #[test]
    fn a_jump_closes_the_window() {
        let mut ahead = Readahead::default();
        for i in 0..10 {
            let _ = ahead.note(i * LEN, (i + 1) * LEN, SIZE);
        }
        assert_eq!(ahead.note(SIZE / 2, SIZE / 2 + 4096, SIZE), None);
        assert_eq!(ahead.note(SIZE / 4, SIZE / 4 + 4096, SIZE), None);
        // From there on it begins anew.
        let range = ahead.note(SIZE / 4 + 4096, SIZE / 4 + 8192, SIZE).unwrap();
        assert_eq!(range.end, SIZE / 4 + 8192 + WINDOW_MIN);
        assert_eq!(ahead.piece(), GRAIN);
    }

    #[test]
    fn nothing_beyond_the_end() {
        let mut ahead = Readahead::default();
        let size = 3 * LEN;
        let _ = ahead.note(0, LEN, size);
        assert_eq!(ahead.note(LEN, 2 * LEN, size), Some(LEN..size));
    }
}
