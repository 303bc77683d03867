//! Seeds: each a cluster with operations and faults of its own. Together more than 10,000 simulated seconds of
//! them, in parts so that all cores have something to do.

use eggs_sim::{Config, run};

/// Simulated seconds of operations and faults of each seed.
const SECONDS: u64 = 300;
/// Seeds of each part.
const SEEDS: u64 = 2;

fn check(part: u64) {
    for seed in part * SEEDS..(part + 1) * SEEDS {
        let config = Config::new(seed, SECONDS);
        let report = run(&config);
        if let Some(what) = report.wrong {
            panic!("{what}\n{}", config.repeat());
        }
        assert!(report.acknowledged > 100, "seed {seed} did too little");
    }
}

macro_rules! parts {
    ($($name:ident: $part:expr,)*) => {
        const PARTS: u64 = [$($part),*].len() as u64;
        $(#[test] fn $name() { check($part) })*
    };
}

parts! {
    part_0: 0, part_1: 1, part_2: 2, part_3: 3, part_4: 4, part_5: 5,
    part_6: 6, part_7: 7, part_8: 8, part_9: 9, part_10: 10, part_11: 11,
    part_12: 12, part_13: 13, part_14: 14, part_15: 15, part_16: 16, part_17: 17,
}

const _: () = assert!(PARTS * SEEDS * SECONDS >= 10_000);

#[test]
fn one_seed_is_one_history() {
    let (first, second) = (run(&Config::new(5, 60)), run(&Config::new(5, 60)));
    assert_eq!((first.hash, first.events), (second.hash, second.events));
    assert_eq!(first.coverage, second.coverage);
    let other = run(&Config::new(6, 60));
    assert_ne!(first.hash, other.hash);
}

/// Looking on must not change anything.
#[test]
fn words_do_not_change_what_happens() {
    let verbose = Config {
        verbose: true,
        ..Config::new(5, 60)
    };
    let report = run(&verbose);
    assert!(!report.lines.is_empty());
    assert_eq!(report.hash, run(&Config::new(5, 60)).hash);
}
