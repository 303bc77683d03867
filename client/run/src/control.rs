//! `kill`, `pause`, `resume` and `start` of one process, and `stop` of all.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal};

use crate::process::{self, Condition};
use crate::{current::Current, files, layout::Layout, leftovers, lock, mounts};

/// Kills a process so that it stays dead.
pub async fn kill(layout: &Layout, name: &str) -> Result<()> {
    let pid = find(layout, name)?;
    fs::write(layout.down(name), "").with_context(|| format!("mark {name} as down"))?;
    process::send(pid, Signal::KILL)?;
    if !leftovers::wait_for(&[pid], Duration::from_secs(30)).await {
        bail!(
            "{name} (pid {}) was killed and does not end",
            pid.as_raw_nonzero()
        );
    }
    Ok(())
}

/// Stops a process from running.
pub async fn pause(layout: &Layout, name: &str) -> Result<()> {
    let pid = find(layout, name)?;
    process::send(pid, Signal::STOP)?;
    wait_until(name, || process::condition_of(pid) == Condition::Paused).await
}

/// Lets a paused process go on.
pub async fn resume(layout: &Layout, name: &str) -> Result<()> {
    let pid = find(layout, name)?;
    process::send(pid, Signal::CONT)?;
    wait_until(name, || process::condition_of(pid) != Condition::Paused).await
}

/// Asks the supervisor to start a process.
pub async fn start(layout: &Layout, name: &str) -> Result<()> {
    if lock::holder(layout)?.is_none() {
        bail!(
            "the cluster in {dir} is not running: start it with 'eggsrun --dir {dir}'",
            dir = layout.dir().display()
        );
    }
    known(layout, name)?;
    if process::living(layout, name).is_some() {
        bail!("{name} is running already");
    }
    files::remove(&layout.down(name))?;
    let request = layout.run().join(format!("{name}.start"));
    fs::write(&request, "").with_context(|| format!("ask for a start of {name}"))?;
    wait_until(name, || process::living(layout, name).is_some()).await
}

/// Stops the whole cluster.
pub async fn stop(layout: &Layout) -> Result<()> {
    let Some(supervisor) = lock::holder(layout)? else {
        if leftovers::names(layout).is_ok_and(|names| !names.is_empty()) {
            leftovers::end(layout).await?;
            return finish(layout);
        }
        bail!("no cluster is running in {}", layout.dir().display());
    };
    process::send(supervisor, Signal::TERM)?;
    let begin = Instant::now();
    while lock::holder(layout)?.is_some() {
        if begin.elapsed() > Duration::from_secs(120) {
            bail!(
                "eggsrun (pid {}) does not end: see its log",
                supervisor.as_raw_nonzero()
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Removes what a start left outside of the processes.
pub fn finish(layout: &Layout) -> Result<()> {
    if let Some(current) = Current::read(layout)? {
        if let Some(mount) = &current.mount {
            mounts::detach(mount);
        }
        if let Some(secret) = &current.published_secret {
            files::remove(secret)?;
        }
    }
    files::remove(&layout.mounted())?;
    files::remove(&layout.current())
}

fn known(layout: &Layout, name: &str) -> Result<()> {
    let names = Current::read(layout)?
        .map(|current| current.names)
        .unwrap_or_default();
    if !names.iter().any(|known| known == name) {
        bail!(
            "there is no process {name}: 'eggsrun --dir {} status' lists them",
            layout.dir().display()
        );
    }
    Ok(())
}

fn find(layout: &Layout, name: &str) -> Result<Pid> {
    known(layout, name)?;
    process::living(layout, name).with_context(|| format!("{name} is not running"))
}

async fn wait_until(name: &str, mut done: impl FnMut() -> bool) -> Result<()> {
    let begin = Instant::now();
    while !done() {
        if begin.elapsed() > Duration::from_secs(30) {
            bail!("{name} did not get there in 30 s: see its log");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
