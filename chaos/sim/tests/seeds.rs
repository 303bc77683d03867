//! Seeds: each a cluster with operations and faults of its own.

use eggs_sim::{Config, run};

fn config(seed: u64, seconds: u64) -> Config {
    Config {
        seed,
        seconds,
        without: Vec::new(),
        verbose: false,
    }
}

fn check(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let config = config(seed, 300);
        let report = run(&config);
        if let Some(what) = report.wrong {
            panic!("{what}\n{}", config.repeat());
        }
        assert!(report.acknowledged > 0, "seed {seed} did nothing");
    }
}

#[test]
fn one_seed_is_one_history() {
    let (first, second) = (run(&config(5, 60)), run(&config(5, 60)));
    assert_eq!((first.hash, first.events), (second.hash, second.events));
    assert_eq!(first.coverage, second.coverage);
    let other = run(&config(6, 60));
    assert_ne!(first.hash, other.hash);
}

#[test]
fn nothing_is_wrong_in_the_first_seeds() {
    check(1..5);
}

#[test]
fn nothing_is_wrong_in_more_seeds() {
    check(5..9);
}
