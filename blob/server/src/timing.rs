//! How long one disk took lately.
//!
//! Times fall into buckets, four to each doubling, so that a percentile is known to about a fifth. Six slots of ten
//! seconds turn: what is older than a minute is forgotten.
//!
//! **Invariant:** the size is fixed, and recording is a few instructions under a lock that is never held for longer.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use eggs_proto::registry::Latency;

/// Slots that turn.
const SLOTS: usize = 6;
/// How long one is filled.
const SLOT: Duration = Duration::from_secs(10);
/// Buckets: four for each of 25 doublings from 1 µs, the last one for all beyond, half a minute and more.
const BUCKETS: usize = 4 * 25;

/// Kinds of operations that are timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timed {
    /// Reads.
    Read,
    /// Writes and erasures, with their fsync.
    Write,
}

/// The times of one disk.
#[derive(Debug)]
pub(crate) struct Timing {
    since: Instant,
    reads: Mutex<Window>,
    writes: Mutex<Window>,
}

impl Timing {
    pub(crate) fn new() -> Self {
        Self {
            since: Instant::now(),
            reads: Mutex::default(),
            writes: Mutex::default(),
        }
    }

    /// Counts an operation that has succeeded.
    pub(crate) fn record(&self, kind: Timed, took: Duration) {
        let turn = self.turn();
        self.window(kind).record(turn, took);
    }

    /// Percentiles of the last minute.
    pub(crate) fn latency(&self, kind: Timed) -> Latency {
        let turn = self.turn();
        self.window(kind).latency(turn)
    }

    fn turn(&self) -> u64 {
        self.since.elapsed().as_secs() / SLOT.as_secs()
    }

    fn window(&self, kind: Timed) -> MutexGuard<'_, Window> {
        let window = match kind {
            Timed::Read => &self.reads,
            Timed::Write => &self.writes,
        };
        window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Window {
    slots: [[u32; BUCKETS]; SLOTS],
    /// The turn of the newest slot.
    turn: u64,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            slots: [[0; BUCKETS]; SLOTS],
            turn: 0,
        }
    }
}

impl Window {
    fn record(&mut self, turn: u64, took: Duration) {
        self.advance(turn);
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        let slot = (self.turn % SLOTS as u64) as usize;
        let count = &mut self.slots[slot][bucket(micros)];
        *count = count.saturating_add(1);
    }

    fn latency(&mut self, turn: u64) -> Latency {
        self.advance(turn);
        let mut counts = [0u64; BUCKETS];
        for slot in &self.slots {
            for (sum, count) in counts.iter_mut().zip(slot) {
                *sum += u64::from(*count);
            }
        }
        let total: u64 = counts.iter().sum();
        let percentile = |hundredths: u64| {
            let rank = (total * hundredths).div_ceil(100);
            let mut seen = 0;
            let at = counts.iter().position(|count| {
                seen += count;
                seen >= rank.max(1)
            });
            at.map_or(0, upper_us)
        };
        Latency {
            count: u32::try_from(total).unwrap_or(u32::MAX),
            p50_us: percentile(50),
            p95_us: percentile(95),
            p99_us: percentile(99),
        }
    }

    /// Empties the slots that have had their turn.
    fn advance(&mut self, turn: u64) {
        let passed = turn.saturating_sub(self.turn).min(SLOTS as u64);
        for step in 0..passed {
            self.slots[((turn - step) % SLOTS as u64) as usize] = [0; BUCKETS];
        }
        self.turn = self.turn.max(turn);
    }
}

/// Two bits behind the highest one.
fn bucket(micros: u32) -> usize {
    let value = micros.max(1);
    let octave = value.ilog2();
    let quarter = (u64::from(value) << 2 >> octave) & 3;
    (octave as usize * 4 + quarter as usize).min(BUCKETS - 1)
}

/// What everything in a bucket is below.
fn upper_us(bucket: usize) -> u32 {
    let (octave, quarter) = (bucket / 4, bucket as u64 % 4);
    let upper = ((5 + quarter) << octave).div_ceil(4);
    u32::try_from(upper).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn buckets_follow_each_other_and_hold_what_they_say() {
        let mut last = 0;
        for micros in (1..40_000_000).step_by(997) {
            let at = bucket(micros);
            assert!(at >= last, "{micros}");
            last = at;
            if at < BUCKETS - 1 {
                assert!(micros <= upper_us(at), "{micros} in bucket {at}");
                assert!(
                    upper_us(at) <= micros + micros / 4 + 2,
                    "{micros}: {}",
                    upper_us(at)
                );
            }
        }
        assert_eq!(bucket(u32::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_of_the_last_minute() {
        let mut window = Window::default();
        assert_eq!(window.latency(0), Latency::default());
        (0..90).for_each(|_| window.record(0, millis(10)));
        (0..10).for_each(|_| window.record(3, millis(800)));
        let latency = window.latency(5);
        assert_eq!(latency.count, 100);
        assert!((10_000..=12_500).contains(&latency.p50_us), "{latency:?}");
        assert!(
            (800_000..=1_000_000).contains(&latency.p95_us),
            "{latency:?}"
        );
        // The fast ones are forgotten first.
        assert_eq!(window.latency(6).count, 10);
        assert_eq!(window.latency(8).count, 10);
        assert_eq!(window.latency(9), Latency::default());
        window.record(1_000, millis(1));
        assert_eq!(window.latency(1_000).count, 1);
    }
}
