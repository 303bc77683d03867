//! Calls in words, for findings.

use crate::history::{Answer, Call};

/// Most calls shown in a finding.
const SHOWN_MAX: usize = 12;

/// One call with its answer.
fn call(call: &Call) -> String {
    let operation = serde_json::to_string(&call.operation).unwrap_or_default();
    let answer = match &call.answer {
        Answer::Elements { elements } => format!("{} elements", elements.len()),
        other => serde_json::to_string(other).unwrap_or_default(),
    };
    let millis = |ns: u64| ns as f64 / 1e6;
    if call.answered == u64::MAX {
        return format!(
            "call {} at {:.3} ms: {operation} -> {answer}",
            call.id,
            millis(call.called)
        );
    }
    format!(
        "call {} at {:.3} to {:.3} ms: {operation} -> {answer}",
        call.id,
        millis(call.called),
        millis(call.answered)
    )
}

/// Some calls, one to a line.
pub(super) fn calls<'a>(list: impl IntoIterator<Item = &'a Call>) -> String {
    let mut lines: Vec<String> = list.into_iter().map(call).collect();
    if lines.len() > SHOWN_MAX {
        let more = lines.len() - SHOWN_MAX;
        lines.truncate(SHOWN_MAX);
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}
