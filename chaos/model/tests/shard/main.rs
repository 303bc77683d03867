//! One shard against the reference file system: the same random operations on both must be answered alike and look
//! alike, and leave nothing behind when everything has been deleted and collected.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod cluster;
mod compare;
mod determinism;
mod drawn;
mod operation;
mod run;

use std::collections::BTreeMap;

use proptest::prelude::{ProptestConfig, any, prop, proptest};

use crate::operation::Operation;
use crate::run::Run;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_shard_does_what_the_model_does(
        operations in prop::collection::vec(any::<(u8, u8, u8, u8)>(), 1..120)
    ) {
        let mut run = Run::new();
        for numbers in &operations {
            run.perform(&Operation::from_numbers(*numbers));
        }
        run.delete_everything();
    }

    #[test]
    fn the_same_log_gives_the_same_bytes_however_it_is_cut(
        operations in prop::collection::vec(any::<(u8, u8, u8, u8)>(), 1..60),
        cuts in prop::collection::vec(1usize..9, 1..9),
    ) {
        let mut run = Run::new();
        for numbers in &operations {
            run.perform(&Operation::from_numbers(*numbers));
        }
        determinism::check(run.cluster(), &cuts);
    }
}

/// The comparison is worth something only if most operations succeed often.
#[test]
fn most_operations_succeed_sometimes() {
    let mut accepted: BTreeMap<&str, usize> = BTreeMap::new();
    let mut changes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut state = 1u32;
    for _ in 0..60 {
        let mut run = Run::new();
        for _ in 0..100 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mixed = state.wrapping_mul(2_654_435_761).rotate_left(13);
            let [a, b, c, d] = mixed.to_be_bytes();
            run.perform(&Operation::from_numbers((a, b, c, d)));
        }
        for (label, times) in run.accepted() {
            *accepted.entry(label).or_default() += times;
        }
        run.delete_everything();
        for (kind, times) in &run.cluster().accepted {
            *changes.entry(*kind).or_default() += times;
        }
    }
    drawn::check(&changes);
    let rare: Vec<_> = accepted.iter().filter(|(_, times)| **times < 10).collect();
    assert!(
        rare.is_empty() && accepted.len() == operation::KINDS,
        "{accepted:?}"
    );
}
