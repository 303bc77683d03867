//! Turns bits in blocks on disks.
//!
//! Only four failure domains rot in a run, chosen from its seed: as many as the parity of the default policy can bear.
//! Nothing else that is broken takes a block away for ever, so every file must still be readable at the end.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::field::Field;
use crate::Random;

const DOMAINS: usize = 4;
/// Blocks that rot at a time.
const BLOCKS: usize = 20;

pub(super) fn run(field: &Field, random: &mut Random) -> Result<()> {
    let domains = domains(field)?;
    let rots = |path: &PathBuf| {
        let mut parts = path.components();
        parts.any(|part| {
            domains
                .iter()
                .any(|domain| part.as_os_str() == domain.as_str())
        })
    };
    // Files come and go while they are listed.
    let mut blocks = field.cluster.block_files().unwrap_or_default();
    blocks.retain(rots);
    let victims: Vec<_> = (0..BLOCKS)
        .filter_map(|_| random.pick(&blocks).cloned())
        .collect();
    if victims.is_empty() {
        return Ok(());
    }
    let what = format!(
        "a bit turns in {} blocks of {}",
        victims.len(),
        domains.join(" ")
    );
    let fault = field.recorder.fault(&what);
    for path in victims {
        turn_bit(&path, random);
    }
    field.recorder.healed(fault, &what);
    Ok(())
}

/// The failure domains that rot in this run.
fn domains(field: &Field) -> Result<Vec<String>> {
    let mut all = field.processes(&["blocks"])?;
    let mut random = field.chance("rotten domains");
    let mut chosen = Vec::new();
    while chosen.len() < DOMAINS && !all.is_empty() {
        chosen.push(all.remove(random.below(all.len())));
    }
    chosen.sort();
    Ok(chosen)
}

/// A block that was removed meanwhile cannot rot.
fn turn_bit(path: &Path, random: &mut Random) {
    let Ok(file) = fs::OpenOptions::new().read(true).write(true).open(path) else {
        return;
    };
    let size = file.metadata().map_or(0, |found| found.len());
    let (at, bit) = (random.between(0, size), random.below(8));
    let mut byte = [0];
    if file.read_exact_at(&mut byte, at).is_ok() {
        byte[0] ^= 1 << bit;
        file.write_all_at(&byte, at).ok(); // the same
    }
}
