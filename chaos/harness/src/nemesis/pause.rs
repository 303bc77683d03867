//! SIGSTOP, and SIGCONT later: a process that misses some seconds without knowing it.

use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;

use super::field::Field;
use crate::Random;

pub(super) async fn run(field: &Field, random: &mut Random) -> Result<()> {
    let victims: Vec<String> = if random.percent(20) {
        let all = field.processes(&["shard", "cdc", "shuckle", "blocks"])?;
        (0..4).filter_map(|_| random.pick(&all).cloned()).collect()
    } else {
        field.any_process(random)?.into_iter().collect()
    };
    // Around the election time-out, and far beyond it.
    let millis = match random.below(3) {
        0 => random.between(50, 800),
        1 => random.between(800, 2500),
        _ => random.between(2500, 7000),
    };
    pause(field, &victims, Duration::from_millis(millis)).await
}

/// Pauses processes for a while.
pub(super) async fn pause(field: &Field, victims: &[String], time: Duration) -> Result<()> {
    let what = format!("pause {} for {} ms", victims.join(" "), time.as_millis());
    let fault = field.recorder.fault(&what);
    for name in victims {
        field.signal(name, Signal::STOP);
    }
    tokio::time::sleep(time).await;
    for name in victims {
        field.signal(name, Signal::CONT);
    }
    field.recorder.healed(fault, &what);
    Ok(())
}
