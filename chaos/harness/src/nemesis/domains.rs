//! Breaks up to four failure domains at once: as many as the parity of the default policy can bear.
//!
//! **Invariant:** only the four domains that a seed has chosen for its run are ever broken, so that no block is beyond
//! four losses, whatever rotted before.

use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::field::Field;
use super::system::ENOSPC;
use super::{pause, rot};
use crate::Random;
use crate::dress::Faults;

/// What a domain suffers from.
#[derive(Clone, Copy, Debug)]
enum Way {
    Down,
    Paused,
    Full,
    Rotten,
}

const WAYS: [Way; 4] = [Way::Down, Way::Paused, Way::Full, Way::Rotten];

/// Some of the weak domains, each in a way of its own, all at once.
pub(super) async fn run(field: &Field, random: &mut Random) -> Result<()> {
    let mut victims = Vec::new();
    let mut weak = field.weak_domains()?;
    for _ in 0..random.between(1, weak.len() as u64 + 1) {
        let name = weak.remove(random.below(weak.len()));
        victims.push((name, *random.pick(&WAYS).unwrap_or(&Way::Down)));
    }
    let time = Duration::from_millis(random.between(1500, 6000));
    let told: Vec<String> = victims
        .iter()
        .map(|(name, way)| format!("{name} {way:?}").to_lowercase())
        .collect();
    let what = format!("{} for {} ms", told.join(", "), time.as_millis());
    let fault = field.recorder.fault(&what);
    for (name, way) in &victims {
        match way {
            Way::Down => eggsrun(field, "kill", name).await?,
            Way::Paused => drop(field.signal(name, Signal::STOP)),
            Way::Full => full(field, name, ENOSPC)?,
            Way::Rotten => rot::of_domains(field, random, std::slice::from_ref(name)),
        }
    }
    tokio::time::sleep(time).await;
    for (name, way) in &victims {
        match way {
            Way::Down => eggsrun(field, "start", name).await?,
            Way::Paused => drop(field.signal(name, Signal::CONT)),
            Way::Full => full(field, name, 0)?,
            Way::Rotten => {} // stays
        }
    }
    field.recorder.healed(fault, &what);
    Ok(())
}

/// One failure domain does not answer, but its connections stay.
pub(super) async fn still(field: &Field, random: &mut Random) -> Result<()> {
    let names = field.processes(&["blocks"])?;
    let victim = random.pick(&names).cloned().into_iter();
    let time = Duration::from_millis(random.between(2000, 6000));
    pause::pause(field, &victim.collect::<Vec<_>>(), time).await
}

async fn eggsrun(field: &Field, verb: &'static str, name: &str) -> Result<()> {
    let (cluster, name) = (field.cluster.clone(), name.to_owned());
    let typed = tokio::task::spawn_blocking(move || cluster.eggsrun(&[verb, &name])?.ok());
    typed.await.context("wait for a command")?.map(drop)
}

fn full(field: &Field, name: &str, write_errno: i64) -> Result<()> {
    let faults = Faults {
        write_errno,
        ..Faults::default()
    };
    match &field.dress {
        Some(dress) => dress.suffer(name, faults),
        None => Ok(()),
    }
}
