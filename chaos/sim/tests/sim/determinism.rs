//! Logs of whole clusters, applied again.

use eggs_sim::{Config, determinism, record};

#[test]
fn the_same_log_gives_the_same_bytes() {
    for seed in 1..4 {
        let logs = record(&Config::new(seed, 60));
        let commands: usize = logs.iter().map(|log| log.entries.len()).sum();
        assert!(commands > 1000, "seed {seed} has {commands} entries only");
        for log in &logs {
            for cut in 0..3 {
                assert_eq!(determinism::check(log, cut), Ok(()));
            }
        }
    }
}
