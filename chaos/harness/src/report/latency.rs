//! Latency over time: the median, the 99th percentile and the maximum of every interval.

use std::fmt::Write as _;

use super::{Scale, WIDTH};
use crate::history::{Answer, Call, History};

/// Intervals that a run is divided into.
const INTERVALS: usize = 150;
const HEIGHT: f64 = 200.0;
/// The scale goes from 0.1 ms to 100 s, a power of ten for each sixth of the height.
const DECADES: f64 = 6.0;

/// Latencies of one interval, in nanoseconds, ascending.
fn by_interval(history: &History, end: u64) -> Vec<Vec<u64>> {
    let mut intervals = vec![Vec::new(); INTERVALS];
    for call in history.calls.iter().filter(|call| is_decided(call)) {
        let at = (u128::from(call.called) * INTERVALS as u128 / u128::from(end.max(1))) as usize;
        intervals[at.min(INTERVALS - 1)].push(call.answered - call.called);
    }
    intervals
        .iter_mut()
        .for_each(|latencies| latencies.sort_unstable());
    intervals
}

fn is_decided(call: &Call) -> bool {
    match call.answer {
        Answer::Unknown { .. } | Answer::Failed { .. } => false,
        Answer::Done
        | Answer::Refused { .. }
        | Answer::Value { .. }
        | Answer::Elements { .. }
        | Answer::Found { .. }
        | Answer::Parents { .. }
        | Answer::Wrong { .. } => true,
    }
}

/// The value that so many of a hundred are not above.
fn percentile(sorted: &[u64], of_hundred: usize) -> Option<u64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get(last * of_hundred / 100).copied()
}

fn y(nanos: u64) -> f64 {
    let decades = (nanos.max(1) as f64 / 1e5).log10().clamp(0.0, DECADES);
    HEIGHT - decades / DECADES * HEIGHT
}

/// The drawing.
pub(super) fn draw(history: &History, scale: Scale) -> String {
    let intervals = by_interval(history, scale.end);
    let mut out = format!(
        "<svg viewBox=\"-60 -10 {} {}\">",
        WIDTH + 80.0,
        HEIGHT + 30.0
    );
    for (exponent, label) in ["0.1 ms", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s"]
        .iter()
        .enumerate()
    {
        let at = HEIGHT - exponent as f64 / DECADES * HEIGHT;
        let _ = write!(
            out,
            "<line x1='0' y1='{at:.1}' x2='{WIDTH}' y2='{at:.1}' class='grid'/>\
             <text x='-6' y='{:.1}' text-anchor='end'>{label}</text>",
            at + 4.0
        );
    }
    for (of_hundred, class) in [(100, "max"), (99, "p99"), (50, "p50")] {
        let mut path = String::new();
        for (at, latencies) in intervals.iter().enumerate() {
            if let Some(nanos) = percentile(latencies, of_hundred) {
                let x = (at as f64 + 0.5) / INTERVALS as f64 * WIDTH;
                let _ = write!(
                    path,
                    "{}{x:.1} {:.1}",
                    if path.is_empty() { "M" } else { "L" },
                    y(nanos)
                );
            }
        }
        let _ = write!(out, "<path d='{path}' class='line {class}'/>");
    }
    out.push_str("</svg>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles() {
        let list: Vec<u64> = (1..=100).collect();
        assert_eq!(percentile(&list, 50), Some(50));
        assert_eq!(percentile(&list, 100), Some(100));
        assert_eq!(percentile(&[7], 99), Some(7));
        assert_eq!(percentile(&[], 50), None);
    }
}
