//! Clocks that jump, disks that are full, slow or fail.

use std::time::Duration;

use anyhow::Result;

use super::field::Field;
use super::roll;
use crate::Random;
use crate::dress::Faults;

const SECOND_NS: i64 = 1_000_000_000;
pub(super) const ENOSPC: i64 = 28;
const EIO: i64 = 5;

/// The clock of a process jumps, perhaps several times, and comes back.
pub(super) async fn clock(field: &Field, random: &mut Random) -> Result<()> {
    const JUMPS_S: [i64; 8] = [1, -1, 5, -5, 60, -60, 3600, -86_400];
    let Some(victim) = field.any_process(random)? else {
        return Ok(());
    };
    for _ in 0..=random.below(3) {
        let jump = *random.pick(&JUMPS_S).unwrap_or(&1);
        let what = format!("the clock of {victim} is {jump} s off");
        let clock_ns = jump * SECOND_NS;
        let faults = Faults {
            clock_ns,
            ..Faults::default()
        };
        suffer(field, &victim, &what, faults, random.between(300, 3000)).await?;
    }
    Ok(())
}

/// No write of a process finds space.
pub(super) async fn full(field: &Field, random: &mut Random) -> Result<()> {
    let write_errno = ENOSPC;
    let faults = Faults {
        write_errno,
        ..Faults::default()
    };
    of_any(field, random, "the disk is full of", faults).await
}

/// Every fsync of a process fails. A metadata process ends by itself then; a disk of blocks takes no more writes until its
/// process is started anew, which is what an operator is told to do, and what is done here.
pub(super) async fn failing(field: &Field, random: &mut Random) -> Result<()> {
    let sync_errno = EIO;
    let faults = Faults {
        sync_errno,
        ..Faults::default()
    };
    let Some(victim) = field.any_process(random)? else {
        return Ok(());
    };
    let what = format!("fsync fails for {victim}");
    suffer(field, &victim, &what, faults, random.between(500, 5000)).await?;
    if victim.starts_with("blocks") {
        roll::restart(field, &victim).await?;
    }
    Ok(())
}

/// Every write and fsync of a process takes longer.
pub(super) async fn slow(field: &Field, random: &mut Random) -> Result<()> {
    let delay_us = random.between(1000, 150_000) as i64;
    let faults = Faults {
        delay_us,
        ..Faults::default()
    };
    let what = format!("the disk is {} ms slower for", delay_us / 1000);
    of_any(field, random, &what, faults).await
}

async fn of_any(field: &Field, random: &mut Random, what: &str, faults: Faults) -> Result<()> {
    let Some(victim) = field.any_process(random)? else {
        return Ok(());
    };
    let millis = random.between(500, 5000);
    suffer(field, &victim, &format!("{what} {victim}"), faults, millis).await
}

async fn suffer(
    field: &Field,
    victim: &str,
    what: &str,
    faults: Faults,
    millis: u64,
) -> Result<()> {
    let Some(dress) = &field.dress else {
        return Ok(());
    };
    let fault = field.recorder.fault(what);
    dress.suffer(victim, faults)?;
    tokio::time::sleep(Duration::from_millis(millis)).await;
    dress.suffer(victim, Faults::default())?;
    field.recorder.healed(fault, what);
    Ok(())
}
