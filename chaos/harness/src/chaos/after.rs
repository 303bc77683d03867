//! What is looked at when the load is over, beside the history.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::time::Instant;

use crate::Cluster;

/// How long the cluster may take to call itself healthy.
const HEALTHY: Duration = Duration::from_secs(90);
/// Findings of `fsck` that are shown.
const SHOWN_MAX: usize = 8;

/// Waits until the cluster is healthy; the problem if it does not get there.
pub(super) async fn healthy(cluster: &Arc<Cluster>) -> Option<String> {
    let begin = Instant::now();
    loop {
        let looked = blocking(cluster, |cluster| cluster.eggsrun(&["status"])).await;
        let problem = match looked {
            Ok(finished) if finished.status.success() => return None,
            Ok(finished) => finished.stdout,
            Err(error) => format!("{error:#}"),
        };
        if begin.elapsed() > HEALTHY {
            return Some(format!(
                "not healthy {HEALTHY:?} after everything was healed: {problem}"
            ));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// What `eggscli fsck` finds; nothing, if all is well.
pub(super) async fn fsck(cluster: &Arc<Cluster>) -> Vec<String> {
    let report = blocking(cluster, |cluster| {
        let text = cluster.cli(&["fsck", "--json"])?;
        serde_json::from_str::<Value>(&text.stdout)
            .with_context(|| format!("fsck: {}{}", text.stdout, text.stderr))
    });
    let report = match report.await {
        Ok(report) => report,
        Err(error) => return vec![format!("{error:#}")],
    };
    let empty = Vec::new();
    let findings = report["findings"].as_array().unwrap_or(&empty);
    if findings.is_empty() && report["clean"] == true {
        return Vec::new();
    }
    let shown = findings.iter().take(SHOWN_MAX);
    let mut problems: Vec<String> = shown.map(|finding| format!("fsck: {finding}")).collect();
    if problems.is_empty() || findings.len() > SHOWN_MAX {
        problems.push(format!("fsck: {} findings in all", findings.len()));
    }
    problems
}

async fn blocking<T: Send + 'static>(
    cluster: &Arc<Cluster>,
    work: impl FnOnce(&Cluster) -> Result<T> + Send + 'static,
) -> Result<T> {
    let cluster = cluster.clone();
    tokio::task::spawn_blocking(move || work(&cluster))
        .await
        .context("wait for a program")?
}

/// What servers wrote into their logs.
pub(super) struct Logs {
    pub panics: Vec<String>,
    /// Different errors, and how often each came up.
    pub errors: Vec<(String, usize)>,
}

/// Looks through the logs.
pub(super) fn logs(dir: &Path) -> Logs {
    let mut panics = Vec::new();
    let mut errors: BTreeMap<String, usize> = BTreeMap::new();
    let files = fs::read_dir(dir.join("log"))
        .into_iter()
        .flatten()
        .flatten();
    for file in files {
        let text = fs::read(file.path()).unwrap_or_default();
        let name = file.file_name().to_string_lossy().into_owned();
        for line in String::from_utf8_lossy(&text).lines() {
            if line.contains("panicked at") {
                panics.push(format!("{name}: {line}"));
            } else if let Some((_, what)) = line.split_once("ERROR") {
                *errors.entry(without_digits(what)).or_default() += 1;
            }
        }
    }
    let mut errors: Vec<_> = errors.into_iter().collect();
    errors.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Logs { panics, errors }
}

/// So that errors that differ in numbers only are counted together.
fn without_digits(text: &str) -> String {
    const SHOWN: usize = 75;
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
    fn panics_and_errors_are_found_in_logs() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("log")).unwrap();
        let text = "10:00 INFO fine\n10:01 ERROR group 17 lost\n10:02 ERROR group 3 lost\n\
                    thread 'main' panicked at src/x.rs:1:2:\n";
        fs::write(dir.path().join("log/shard0.log"), text).unwrap();
        let found = logs(dir.path());
        assert_eq!(found.errors, [("group # lost".to_owned(), 2)]);
        assert_eq!(found.panics.len(), 1);
    }
}
