//! Everything that the fuzzer has found so far, and variations of it, without the fuzzer.

use std::fs;
use std::path::PathBuf;

type Family = (&'static str, fn(&[u8]));

const FAMILIES: [Family; 5] = [
    ("frame", eggs_fuzz::frame),
    ("shard", eggs_fuzz::shard),
    ("cdc", eggs_fuzz::cdc),
    ("registry", eggs_fuzz::registry),
    ("block", eggs_fuzz::block),
];

fn inputs(family: &str) -> Vec<Vec<u8>> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(family);
    let entries = fs::read_dir(&dir).expect("the corpus is in the repository");
    entries
        .map(|entry| fs::read(entry.expect("list the corpus").path()).expect("read an input"))
        .collect()
}

#[test]
fn every_input_of_the_corpus_is_harmless() {
    for (family, run) in FAMILIES {
        let inputs = inputs(family);
        assert!(inputs.len() >= 3, "the corpus of {family} is missing");
        for input in inputs {
            run(&input);
        }
    }
}

/// One byte changed at a time: what the fuzzer does first.
#[test]
fn so_are_its_neighbours() {
    for (family, run) in FAMILIES {
        for input in inputs(family) {
            let stride = input.len() / 12 + 1;
            for at in (0..input.len()).step_by(stride) {
                let mut neighbour = input.clone();
                neighbour[at] = neighbour[at].wrapping_mul(31).wrapping_add(7);
                run(&neighbour);
            }
        }
    }
}
