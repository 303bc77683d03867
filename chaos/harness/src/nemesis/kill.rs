//! `kill -9`. The supervisor starts what it kills again.

use anyhow::Result;
use rustix::process::Signal;

use super::field::Field;
use crate::Random;

pub(super) async fn run(field: &Field, random: &mut Random) -> Result<()> {
    let victims = match random.below(6) {
        // Everything that remembers a kind of metadata, at the same moment.
        0 => {
            let prefix = *random
                .pick(&["shard", "cdc", "shuckle"])
                .unwrap_or(&"shard");
            field.processes(&[prefix])?
        }
        1 => {
            let all = field.processes(&["shard", "cdc", "shuckle", "blocks"])?;
            let mut some: Vec<String> = (0..3).filter_map(|_| random.pick(&all).cloned()).collect();
            some.sort();
            some.dedup();
            some
        }
        _ => field.any_process(random)?.into_iter().collect(),
    };
    kill(field, &victims).await
}

/// Kills processes and waits until they are back.
pub(super) async fn kill(field: &Field, victims: &[String]) -> Result<()> {
    let what = format!("kill {}", victims.join(" "));
    let before: Vec<_> = victims
        .iter()
        .map(|name| field.cluster.pid(name).ok())
        .collect();
    let fault = field.recorder.fault(&what);
    for name in victims {
        field.signal(name, Signal::KILL);
    }
    for (name, before) in victims.iter().zip(before) {
        field.comes_back(name, before).await?;
    }
    field.recorder.healed(fault, &what);
    Ok(())
}
