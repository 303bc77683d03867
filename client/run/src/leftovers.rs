//! Processes of an earlier start whose supervisor is gone.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal};

use crate::process::{self, Condition};
use crate::{files, layout::Layout};

/// Names of all processes with a pid file.
pub fn names(layout: &Layout) -> Result<Vec<String>> {
    let run = layout.run();
    let mut names = Vec::new();
    for entry in fs::read_dir(&run).with_context(|| format!("list {}", run.display()))? {
        let file = entry
            .with_context(|| format!("list {}", run.display()))?
            .file_name();
        names.extend(
            file.to_str()
                .and_then(|name| name.strip_suffix(".pid"))
                .map(str::to_string),
        );
    }
    names.sort();
    Ok(names)
}

/// Ends what is left of an earlier start, and forgets what was asked of it.
pub async fn end(layout: &Layout) -> Result<()> {
    let names = names(layout)?;
    let pids: Vec<Pid> = names
        .iter()
        .filter_map(|name| process::living(layout, name))
        .collect();
    for pid in &pids {
        process::send(*pid, Signal::TERM)?;
        process::send(*pid, Signal::CONT)?;
    }
    if !wait_for(&pids, Duration::from_secs(15)).await {
        for pid in &pids {
            process::send(*pid, Signal::KILL)?;
        }
        wait_for(&pids, Duration::from_secs(15)).await;
    }
    for name in names {
        files::remove(&layout.pid(&name))?;
    }
    forget_requests(layout)
}

/// Removes `NAME.down` and `NAME.start`.
pub fn forget_requests(layout: &Layout) -> Result<()> {
    let run = layout.run();
    for entry in fs::read_dir(&run).with_context(|| format!("list {}", run.display()))? {
        let path = entry
            .with_context(|| format!("list {}", run.display()))?
            .path();
        if path
            .extension()
            .is_some_and(|kind| kind == "down" || kind == "start")
        {
            files::remove(&path)?;
        }
    }
    Ok(())
}

/// Waits until none of them lives; false if the time ran out.
pub async fn wait_for(pids: &[Pid], patience: Duration) -> bool {
    let begin = Instant::now();
    while pids
        .iter()
        .any(|pid| process::condition_of(*pid) != Condition::Dead)
    {
        if begin.elapsed() > patience {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    true
}
