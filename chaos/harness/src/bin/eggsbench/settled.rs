//! Waiting until the servers have done what they owe: written and merged what was made, and put their groups to rest.

use std::time::{Duration, Instant};

use anyhow::Result;
use eggs_harness::Cluster;

use crate::cpu;

/// Waits until they have, or five minutes. What is owed is merged once it was calm for five seconds, so they have to be idle for longer.
pub async fn settled(cluster: &Cluster) -> Result<()> {
    const WINDOW: Duration = Duration::from_secs(2);
    const IDLE: f64 = 0.3; // CPU seconds of all servers in a window
    const WINDOWS: u32 = 4;
    let mut idle = 0;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(300) {
        let before = cpu::seconds_by_role(cluster)?;
        tokio::time::sleep(WINDOW).await;
        let used = cpu::difference(&before, &cpu::seconds_by_role(cluster)?);
        idle = if cpu::servers(&used) < IDLE {
            idle + 1
        } else {
            0
        };
        if idle == WINDOWS {
            return Ok(());
        }
    }
    Ok(())
}
