//! A rolling restart: every process is asked to end, one after the other, as an upgrade would.

use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;
use tokio::time::Instant;

use super::field::Field;
use crate::Random;

/// Between the return of one process and the end of the next.
const SETTLE: Duration = Duration::from_millis(1500);

pub(super) async fn run(field: &Field, random: &mut Random, end: Instant) -> Result<()> {
    let mut names = field.processes(&["shard", "cdc", "shuckle", "gc"])?;
    let blocks = field.processes(&["blocks"])?;
    names.extend((0..3).filter_map(|_| random.pick(&blocks).cloned()));
    for name in names {
        if Instant::now() >= end {
            return Ok(());
        }
        restart(field, &name).await?;
        tokio::time::sleep(SETTLE).await;
    }
    Ok(())
}

/// Asks a process to end and waits until it is back.
pub(super) async fn restart(field: &Field, name: &str) -> Result<()> {
    let what = format!("restart {name}");
    let before = field.cluster.pid(name).ok();
    let fault = field.recorder.fault(&what);
    field.signal(name, Signal::TERM);
    field.comes_back(name, before).await?;
    field.recorder.healed(fault, &what);
    Ok(())
}
