//! Verdicts for people.

use eggs_harness::check::{Outcome, Verdict};

use crate::{UNDECIDED, VIOLATED};

/// The exit code of an outcome.
pub const fn code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Sound => 0,
        Outcome::Violated => VIOLATED,
        Outcome::Undecided => UNDECIDED,
    }
}

/// An outcome in a word.
pub const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Sound => "sound",
        Outcome::Violated => "VIOLATED",
        Outcome::Undecided => "not decided",
    }
}

/// Prints what is wrong.
pub fn findings(verdict: &Verdict) {
    for finding in &verdict.findings {
        println!("{}:", finding.about);
        for line in finding.what.lines() {
            println!("    {line}");
        }
    }
    for about in &verdict.undecided {
        println!("not decided: {about}");
    }
}
