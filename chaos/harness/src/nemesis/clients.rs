//! Clients that are paused, for less than their time-outs and for longer than any of them: what they do when they come
//! back, repeating requests included, is late and must not be wrong.

use std::time::Duration;

use anyhow::Result;

use super::field::Field;
use crate::Random;

pub(super) async fn run(field: &Field, random: &mut Random) -> Result<()> {
    let mut victims: Vec<usize> = (0..field.crew.count()).collect();
    let count = match random.below(4) {
        0 | 1 => 1,
        2 => victims.len() / 2,
        // One goes on alone.
        _ => victims.len().saturating_sub(1),
    };
    while victims.len() > count.max(1) {
        victims.remove(random.below(victims.len()));
    }
    // Around what a request waits for, beyond what leases last, and beyond the bound of an operation.
    let millis = match random.below(3) {
        0 => random.between(50, 1500),
        1 => random.between(1500, 7000),
        _ => random.between(10_500, 14_000),
    };
    let names: Vec<String> = victims.iter().map(usize::to_string).collect();
    let what = format!("pause clients {} for {millis} ms", names.join(" "));
    let fault = field.recorder.fault(&what);
    let time = Duration::from_millis(millis);
    for victim in victims {
        field.crew.pause(victim, time);
    }
    tokio::time::sleep(time).await;
    field.recorder.healed(fault, &what);
    Ok(())
}
