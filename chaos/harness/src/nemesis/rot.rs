//! Turns bits in blocks on disks: in data, in parity, in the checksums of pages, in what follows them.
//!
//! Only four failure domains rot in a run, chosen from its seed: as many as the parity of the default policy can bear.
//! Nothing else that is broken takes a block away for ever, so every file must still be readable at the end.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::field::Field;
use crate::Random;

/// Blocks that rot at a time, on each domain.
const BLOCKS: usize = 8;
/// Page checksums and footer are at the end of a block file; so much of it is hit as often as all the rest.
const TAIL_BYTES: u64 = 96;

/// Some blocks of all four domains.
pub(super) fn run(field: &Field, random: &mut Random) -> Result<()> {
    let domains = field.weak_domains()?;
    let what = format!("bits turn in blocks of {}", domains.join(" "));
    let fault = field.recorder.fault(&what);
    of_domains(field, random, &domains);
    field.recorder.healed(fault, &what);
    Ok(())
}

/// Some blocks of these domains.
pub(super) fn of_domains(field: &Field, random: &mut Random, domains: &[String]) {
    // Files come and go while they are listed.
    let all = field.cluster.block_files().unwrap_or_default();
    for domain in domains {
        let of_domain = |path: &&PathBuf| {
            let mut parts = path.components();
            parts.any(|part| part.as_os_str() == domain.as_str())
        };
        let blocks: Vec<&PathBuf> = all.iter().filter(of_domain).collect();
        for _ in 0..BLOCKS {
            if let Some(path) = random.pick(&blocks) {
                turn_bit(path, random);
            }
        }
    }
}

/// A block that was removed meanwhile cannot rot.
fn turn_bit(path: &Path, random: &mut Random) {
    let Ok(file) = fs::OpenOptions::new().read(true).write(true).open(path) else {
        return;
    };
    let size = file.metadata().map_or(0, |found| found.len());
    let from = match random.percent(50) {
        true => size.saturating_sub(TAIL_BYTES),
        false => 0,
    };
    let (at, bit) = (random.between(from, size), random.below(8));
    let mut byte = [0];
    if file.read_exact_at(&mut byte, at).is_ok() {
        byte[0] ^= 1 << bit;
        file.write_all_at(&byte, at).ok(); // the same
    }
}
