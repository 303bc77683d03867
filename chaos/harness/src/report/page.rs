//! The page.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::escape::escape;
use super::{Scale, latency, timeline};
use crate::ChaosReport;
use crate::check::Outcome;
use crate::history::{Answer, History};

const STYLE: &str = "body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:1300px;padding:0 1em;\
color:#1b1f24;background:#fff}h1{font-size:1.4em}h2{font-size:1.1em;margin-top:2em}\
svg{width:100%;height:auto;border:1px solid #d8dee4}svg text{font:11px sans-serif;fill:#57606a}\
.grid{stroke:#eaeef2}.line{fill:none;stroke-width:1.2}.p50{stroke:#1a7f37}.p99{stroke:#bf8700}.max{stroke:#cf222e}\
.done{fill:#4ac26b}.refused{fill:#8c959f}.unknown{fill:#bf8700}.failed{fill:#d4a72c}.wrong{fill:#cf222e}\
.fault{fill:#8250df;opacity:.6}.sound{color:#1a7f37}.violated{color:#cf222e}.undecided{color:#9a6700}\
pre{white-space:pre-wrap;background:#f6f8fa;padding:.6em;border-radius:4px}table{border-collapse:collapse}\
td,th{padding:.2em .8em;border-bottom:1px solid #eaeef2;text-align:right}th:first-child,td:first-child{text-align:left}";

/// Draws the page of a run.
pub fn page(history: &History, report: &ChaosReport) -> String {
    let answers = history.calls.iter().map(|call| call.answered);
    let ends = history.faults.iter().filter_map(|fault| fault.end);
    let end = answers.filter(|at| *at < u64::MAX).chain(ends).max();
    let scale = Scale {
        end: end.unwrap_or(1),
    };
    let header = &history.header;
    let title = format!("{} under {}", header.workload, header.nemesis);
    let (class, verdict) = match report.outcome {
        Outcome::Sound => ("sound", "sound: every answer fits into one order of events"),
        Outcome::Violated => ("violated", "violated"),
        Outcome::Undecided => ("undecided", "undecided: a search became too long"),
    };
    let mut out = format!(
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>{title}</title><style>{STYLE}</style>\
         <h1>{title}: <span class='{class}'>{verdict}</span></h1>\
         <p>Repeat: <code>eggstests run --workload {} --nemesis {} --time {} --seed {}</code></p>",
        escape(&header.workload),
        escape(&header.nemesis),
        header.seconds,
        header.seed,
        title = escape(&title),
    );
    let _ = write!(
        out,
        "<p>{} calls answered, {} changes of unknown outcome, {} calls failed, {} faults; {} objects checked with {} \
         events.</p>",
        report.answered,
        report.unknown,
        report.failed,
        report.faults,
        report.verdict.objects,
        report.verdict.events
    );
    findings(&mut out, report);
    let _ = write!(
        out,
        "<h2>Operations and faults</h2><p>Green: answered; grey: refused; dark yellow: outcome unknown; yellow: \
         failed; red: wrong; violet: faults. Point at a bar to see what it is.</p>{}",
        timeline::draw(history, scale)
    );
    let _ = write!(
        out,
        "<h2>Latency</h2><p>Green: median; yellow: 99th percentile; red: maximum.</p>{}",
        latency::draw(history, scale)
    );
    operations(&mut out, history);
    latencies(&mut out, report);
    faults(&mut out, history);
    out.push_str("</html>\n");
    out
}

fn findings(out: &mut String, report: &ChaosReport) {
    for finding in &report.verdict.findings {
        let (about, what) = (escape(&finding.about), escape(&finding.what));
        let _ = write!(out, "<h2 class='violated'>{about}</h2><pre>{what}</pre>");
    }
    for problem in &report.problems {
        let _ = write!(out, "<pre class='violated'>{}</pre>", escape(problem));
    }
    for about in &report.verdict.undecided {
        let _ = write!(
            out,
            "<p class='undecided'>not decided: {}</p>",
            escape(about)
        );
    }
    if !report.errors.is_empty() {
        out.push_str("<h2>Errors in the logs of the servers</h2><table>");
        for error in &report.errors {
            let (class, why) = match error.expected {
                Some(why) => ("", why),
                None => ("violated", "unexpected"),
            };
            let (what, count) = (escape(&error.what), error.count);
            let _ = write!(
                out,
                "<tr><td class='{class}'>{what}</td><td>{count}</td><td>{}</td></tr>",
                escape(why)
            );
        }
        out.push_str("</table>");
    }
}

/// How calls of one kind ended.
#[derive(Default)]
struct Kind {
    done: u64,
    refused: u64,
    unknown: u64,
    failed: u64,
    wrong: u64,
}

fn operations(out: &mut String, history: &History) {
    let mut kinds: BTreeMap<&str, Kind> = BTreeMap::new();
    for call in &history.calls {
        let kind = kinds.entry(call.operation.kind()).or_default();
        let count = match &call.answer {
            Answer::Refused { .. } => &mut kind.refused,
            Answer::Unknown { .. } => &mut kind.unknown,
            Answer::Failed { .. } => &mut kind.failed,
            Answer::Wrong { .. } => &mut kind.wrong,
            Answer::Done
            | Answer::Value { .. }
            | Answer::Elements { .. }
            | Answer::Found { .. }
            | Answer::Parents { .. } => &mut kind.done,
        };
        *count += 1;
    }
    out.push_str(
        "<h2>Calls</h2><table><tr><th>kind</th><th>answered</th><th>refused</th><th>unknown</th><th>failed</th>\
         <th>wrong</th></tr>",
    );
    for (name, kind) in kinds {
        let _ = write!(
            out,
            "<tr><td>{name}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            kind.done, kind.refused, kind.unknown, kind.failed, kind.wrong
        );
    }
    out.push_str("</table>");
}

fn latencies(out: &mut String, report: &ChaosReport) {
    out.push_str(
        "<h2>Milliseconds, while nothing was broken and beside faults</h2><table><tr><th>kind</th><th>calls</th>\
         <th>median</th><th>99th percentile</th><th>calls</th><th>median</th><th>99th percentile</th></tr>",
    );
    for (kind, latencies) in &report.latencies {
        let _ = write!(out, "<tr><td>{}</td>", escape(kind));
        for part in [latencies.healthy, latencies.broken] {
            let _ = write!(
                out,
                "<td>{}</td><td>{:.1}</td><td>{:.1}</td>",
                part.calls, part.p50_ms, part.p99_ms
            );
        }
        out.push_str("</tr>");
    }
    out.push_str("</table>");
}

fn faults(out: &mut String, history: &History) {
    out.push_str("<h2>Faults</h2><table><tr><th>what</th><th>from, s</th><th>to, s</th></tr>");
    let seconds = |at: u64| format!("{:.3}", at as f64 / 1e9);
    for fault in &history.faults {
        let end = fault.end.map_or("the end".to_owned(), seconds);
        let (what, begin) = (escape(&fault.what), seconds(fault.begin));
        let _ = write!(
            out,
            "<tr><td>{what}</td><td>{begin}</td><td>{end}</td></tr>"
        );
    }
    out.push_str("</table>");
}
