//! What is looked at when the load is over, beside the history.

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
