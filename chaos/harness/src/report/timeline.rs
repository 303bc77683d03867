//! When operations ran, how they ended, and what was broken meanwhile.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::escape::escape;
use super::{Scale, WIDTH};
use crate::history::{Answer, History};

const ROW: f64 = 16.0;
/// A bar that is shorter could not be seen.
const BAR_MIN: f64 = 1.0;
/// Most answered operations drawn; of more, the longest. All others are always drawn.
const BARS_MAX: usize = 8000;

/// One bar.
struct Bar {
    row: usize,
    begin: u64,
    end: u64,
    class: &'static str,
    title: String,
}

/// The drawing: a row for each fault at a time, and one for each worker.
pub(super) fn draw(history: &History, scale: Scale) -> String {
    let (mut bars, fault_rows) = faults(history, scale);
    let workers: BTreeMap<u64, usize> = {
        let mut numbers: Vec<u64> = history.calls.iter().map(|call| call.worker).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let rows = numbers.into_iter().enumerate();
        rows.map(|(row, worker)| (worker, fault_rows + row))
            .collect()
    };
    bars.extend(calls(history, &workers));
    let height = (fault_rows + workers.len()) as f64 * ROW;
    let mut out = format!(
        "<svg viewBox=\"-60 -10 {} {}\">",
        WIDTH + 80.0,
        height + 40.0
    );
    for (worker, row) in &workers {
        let y = *row as f64 * ROW + 12.0;
        let _ = write!(
            out,
            "<text x='-6' y='{y:.1}' text-anchor='end'>worker {worker}</text>"
        );
    }
    if fault_rows > 0 {
        out.push_str("<text x='-6' y='12' text-anchor='end'>faults</text>");
    }
    for bar in bars {
        let (x, y) = (scale.x(bar.begin), bar.row as f64 * ROW + 2.0);
        let width = (scale.x(bar.end) - x).max(BAR_MIN);
        let _ = write!(
            out,
            "<rect x='{x:.2}' y='{y:.1}' width='{width:.2}' height='{}' class='{}'><title>{}</title></rect>",
            ROW - 4.0,
            bar.class,
            escape(&bar.title)
        );
    }
    let _ = write!(out, "{}</svg>", axis(scale, height));
    out
}

/// Bars of faults, and how many rows they need so that none covers another.
fn faults(history: &History, scale: Scale) -> (Vec<Bar>, usize) {
    let mut free_from: Vec<u64> = Vec::new();
    let mut bars = Vec::new();
    for fault in &history.faults {
        let end = fault.end.unwrap_or(scale.end);
        let row = free_from.iter().position(|free| *free <= fault.begin);
        let row = row.unwrap_or(free_from.len());
        if row == free_from.len() {
            free_from.push(end);
        } else {
            free_from[row] = end;
        }
        bars.push(Bar {
            row,
            begin: fault.begin,
            end,
            class: "fault",
            title: format!("{} ({:.3} s)", fault.what, seconds(fault.begin)),
        });
    }
    (bars, free_from.len())
}

fn calls(history: &History, workers: &BTreeMap<u64, usize>) -> Vec<Bar> {
    let mut fine = Vec::new();
    let mut others = Vec::new();
    for call in &history.calls {
        let class = match &call.answer {
            Answer::Refused { .. } => "refused",
            Answer::Unknown { .. } => "unknown",
            Answer::Failed { .. } => "failed",
            Answer::Wrong { .. } => "wrong",
            Answer::Done
            | Answer::Value { .. }
            | Answer::Elements { .. }
            | Answer::Found { .. }
            | Answer::Parents { .. } => "done",
        };
        let took = call.answered.saturating_sub(call.called) as f64 / 1e6;
        let bar = Bar {
            row: workers.get(&call.worker).copied().unwrap_or(0),
            begin: call.called,
            end: call.answered,
            class,
            title: format!("{} {} {took:.1} ms {class}", call.id, call.operation.kind()),
        };
        match class {
            "done" | "refused" => fine.push(bar),
            _worth_seeing => others.push(bar),
        }
    }
    fine.sort_by_key(|bar| std::cmp::Reverse(bar.end.saturating_sub(bar.begin)));
    fine.truncate(BARS_MAX);
    fine.extend(others);
    fine
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

fn axis(scale: Scale, height: f64) -> String {
    const MARKS: u64 = 10;
    let mut out = String::new();
    for mark in 0..=MARKS {
        let at = scale.end / MARKS * mark;
        let x = scale.x(at);
        let _ = write!(
            out,
            "<line x1='{x:.1}' y1='0' x2='{x:.1}' y2='{height:.1}' class='grid'/>\
             <text x='{x:.1}' y='{:.1}' text-anchor='middle'>{:.0} s</text>",
            height + 16.0,
            seconds(at)
        );
    }
    out
}
