//! Several writers at once, who share fsyncs, and a cut before a change that is drawn.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64};

use eggs_block_store::Disk;
use eggs_forgetful::{Fate, Power, Survival, Tree};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Acknowledged, with_power, without_a_cut, write_until_the_cut};
use crate::common::DIRECT;

const CUTS: u64 = 24;
const WRITERS: u64 = 4;

#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes_under_several_writers() {
    let seed = rand::rng().random();
    println!("seed {seed:#x}");
    let mut rng = StdRng::seed_from_u64(seed);
    let make = |path: &std::path::Path| drop(Disk::create(path, &DIRECT).unwrap());
    let Some((mut tree, ())) = without_a_cut(Tree::default(), make) else {
        return;
    };
    let (next, known) = (AtomicU64::new(1), Mutex::new(Acknowledged::default()));
    for _ in 0..CUTS {
        let power = Power::for_changes(rng.random_range(0..300));
        let (left, ()) = with_power(tree, power, |path| {
            // What an earlier cut left to clear away may need more power than there is.
            let Ok(disk) = Disk::open(path, &DIRECT) else {
                return;
            };
            known.lock().unwrap().check(&disk);
            let off = AtomicBool::new(false);
            std::thread::scope(|scope| {
                for _ in 0..WRITERS {
                    scope.spawn(|| write_until_the_cut(&disk, &next, &known, &off));
                }
            });
        })
        .unwrap();
        let mut fate = Fate::new(Survival::Some, rng.random());
        tree = left.survivor(&mut fate);
    }
    let known = known.into_inner().unwrap();
    println!(
        "{} written, {} erased",
        known.written.len(),
        known.erased.len()
    );
    assert!(known.written.len() > 40 && known.erased.len() > 10);
    let check = |path: &std::path::Path| known.check(&Disk::open(path, &DIRECT).unwrap());
    without_a_cut(tree, check).unwrap();
}
