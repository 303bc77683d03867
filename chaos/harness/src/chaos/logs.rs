//! What servers wrote into their logs. ERROR means "wake someone", so one that no fault of the run explains is wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use super::expected;

/// Errors in logs that differ in numbers only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoggedError {
    /// The program and what it wrote, without digits.
    pub what: String,
    /// How often.
    pub count: usize,
    /// Why it had to be expected, if so.
    pub expected: Option<&'static str>,
}

/// Looks through the logs of a cluster that was broken by this nemesis.
pub(super) fn errors(dir: &Path, nemesis: &str) -> Vec<LoggedError> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let files = fs::read_dir(dir.join("log"));
    for file in files.into_iter().flatten().flatten() {
        let text = fs::read(file.path()).unwrap_or_default();
        let name = file.file_name().to_string_lossy().into_owned();
        let program = name.trim_end_matches(".log");
        for line in String::from_utf8_lossy(&text).lines() {
            if let Some(what) = error(line) {
                let what = without_digits(&format!("{program}: {what}"));
                *counts.entry(what).or_default() += 1;
            }
        }
    }
    let logged = |(what, count): (String, usize)| LoggedError {
        expected: expected::why(nemesis, &what),
        what,
        count,
    };
    let mut errors: Vec<_> = counts.into_iter().map(logged).collect();
    errors.sort_by_key(|error| (error.expected.is_some(), std::cmp::Reverse(error.count)));
    errors
}

/// Copies a directory of logs.
pub fn copy_logs(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("create {}", to.display()))?;
    for file in fs::read_dir(from).context("list the logs")? {
        let file = file.context("list the logs")?;
        fs::copy(file.path(), to.join(file.file_name()))
            .with_context(|| format!("copy {}", file.path().display()))?;
    }
    Ok(())
}

/// What an ERROR says. A panic that nobody logs is one, too.
fn error(line: &str) -> Option<&str> {
    let (_time, rest) = line.split_once(' ')?;
    let told = rest.trim_start().strip_prefix("ERROR ");
    told.or_else(|| line.contains("panicked at").then_some(line))
}

/// So that errors that differ in numbers only are counted together.
fn without_digits(text: &str) -> String {
    const SHOWN: usize = 200;
    let mut out = String::new();
    for c in text.trim().chars().take(SHOWN) {
        match (c.is_ascii_digit(), out.ends_with('#')) {
            (true, true) => {}
            (true, false) => out.push('#'),
            (false, _) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_panics_are_found_in_logs_and_only_those_of_the_nemesis_are_expected() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("log")).unwrap();
        let text = "10:00  INFO fine, no ERROR here\n10:01 ERROR x: group 17 lost\n10:02 ERROR x: group 3 lost\n\
                    10:03 ERROR eggs_obs::log: panic thread=\"main\"\n\
                    10:04 ERROR y: a change failed: the disk takes no writes\n\
                    thread 'main' panicked at src/x.rs:1:2:\n";
        fs::write(dir.path().join("log/blocks0.log"), text).unwrap();
        let found = |nemesis| -> Vec<(String, usize, bool)> {
            let errors = errors(dir.path(), nemesis).into_iter();
            errors
                .map(|error| (error.what, error.count, error.expected.is_some()))
                .collect()
        };
        let mut all = vec![
            ("blocks#: x: group # lost".to_owned(), 2, false),
            (
                "blocks#: eggs_obs::log: panic thread=\"main\"".to_owned(),
                1,
                false,
            ),
            (
                "blocks#: thread 'main' panicked at src/x.rs:#:#:".to_owned(),
                1,
                false,
            ),
            (
                "blocks#: y: a change failed: the disk takes no writes".to_owned(),
                1,
                true,
            ),
        ];
        assert_eq!(found("fsync"), all);
        all.iter_mut().for_each(|error| error.2 = false);
        let mut found = found("kill");
        found.sort();
        all.sort();
        assert_eq!(found, all);
    }
}
