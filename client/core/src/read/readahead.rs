//! How far to read ahead: not at all until reads follow one another, then twice as far each time, up to a limit.
//!
//! Pure.

use std::ops::Range;

/// Farthest, in bytes.
const WINDOW_MAX: u64 = 8 << 20;
/// First step, in bytes.
const WINDOW_MIN: u64 = 512 << 10;

#[derive(Clone, Debug, Default)]
pub(super) struct Readahead {
    /// Where the next read is expected.
    next: u64,
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
            self.next = end;
            self.window = 0;
            return None;
        }
        if end > self.next {
            if self.window > 0 || self.next > 0 {
                self.window = (self.window * 2).clamp(WINDOW_MIN, WINDOW_MAX);
            }
            self.next = end;
        }
        if self.window == 0 {
            return None; // the very first read: perhaps only the head is wanted
        }
        Some(offset..(self.next + self.window).min(size).max(end))
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
        assert_eq!(far, 100 * LEN + WINDOW_MAX);
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
    }

    #[test]
    fn nothing_beyond_the_end() {
        let mut ahead = Readahead::default();
        let size = 3 * LEN;
        let _ = ahead.note(0, LEN, size);
        assert_eq!(ahead.note(LEN, 2 * LEN, size), Some(LEN..size));
    }
}
