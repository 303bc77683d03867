//! `check`: judges a history that was kept.

use std::path::Path;

use anyhow::Result;
use eggs_harness::check::judge;
use eggs_harness::history::History;
use serde_json::json;

use crate::show;

/// Judges a file and prints the verdict.
pub fn check(path: &Path, as_json: bool) -> Result<u8> {
    let history = History::read(path)?;
    let verdict = judge(&history);
    let outcome = verdict.outcome();
    if as_json {
        println!(
            "{:#}",
            json!({"outcome": outcome, "verdict": verdict, "calls": history.calls.len()})
        );
    } else {
        println!(
            "{}: {} calls, {} objects, {} events",
            show::word(outcome),
            history.calls.len(),
            verdict.objects,
            verdict.events
        );
        show::findings(&verdict);
    }
    Ok(show::code(outcome))
}
