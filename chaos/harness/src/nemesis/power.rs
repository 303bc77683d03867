//! The power of processes fails: they are killed, and what they wrote and did not sync is gone.
//!
//! Before it does, their disks are slow, so that there is something to lose: a server that acknowledges before its fsync is
//! done has then acknowledged what will not be there.

use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;

use super::field::Field;
use crate::Random;
use crate::dress::Faults;

pub(super) async fn run(field: &Field, random: &mut Random) -> Result<()> {
    let prefixes: &[&str] = match random.below(6) {
        0..=2 => &["shard"],
        3 => &["cdc"],
        4 => &["shard", "cdc", "shuckle"],
        _ => &["shard", "cdc", "shuckle", "blocks"],
    };
    let mut victims = field.processes(prefixes)?;
    if random.percent(20) {
        victims = random.pick(&victims).cloned().into_iter().collect();
    }
    let Some(dress) = &field.dress else {
        return Ok(());
    };
    let delay_us = random.between(5000, 80_000) as i64;
    let slow = Faults {
        delay_us,
        ..Faults::default()
    };
    let what = format!("power cut of {}", victims.join(" "));
    let fault = field.recorder.fault(&what);
    for name in &victims {
        dress.suffer(name, slow)?;
    }
    tokio::time::sleep(Duration::from_millis(random.between(300, 2000))).await;
    let mut before = Vec::new();
    for name in &victims {
        let dir = field.cluster.dir().join("data").join(name);
        anyhow::ensure!(
            dress.lose_unsynced(name, dir),
            "the cluster was started without what a power cut needs"
        );
        before.push(field.cluster.pid(name).ok());
    }
    for name in &victims {
        field.signal(name, Signal::KILL);
    }
    for name in &victims {
        dress.suffer(name, Faults::default())?;
    }
    for (name, before) in victims.iter().zip(before) {
        field.comes_back(name, before).await?;
    }
    field.recorder.healed(fault, &what);
    let lost = dress.writes_lost();
    field
        .recorder
        .note(&format!("{lost} writes were lost until now"));
    Ok(())
}
