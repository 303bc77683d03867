//! Everything that the fuzzer has found so far, and variations of it, without the fuzzer.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::{env, fs};

type Family = (&'static str, fn(&[u8]));

const FAMILIES: [Family; 5] = [
    ("frame", eggs_fuzz::frame),
    ("shard", eggs_fuzz::shard),
    ("cdc", eggs_fuzz::cdc),
    ("registry", eggs_fuzz::registry),
    ("block", eggs_fuzz::block),
];

fn inputs(family: &str) -> Vec<Vec<u8>> {
    // As it is now: a program that was built in another checkout may be the one that runs.
    let dir = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs this"))
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

/// Numbers that no field expects: ends of ranges, and ids of the wrong kind or of another shard.
const STRANGE: [u64; 10] = [
    0,
    1,
    0x7f,
    0xffff,
    1 << 32,
    u64::MAX,
    0x2000_0000_0000_0000, // root
    0x2000_0000_0000_0307, // a directory of another shard
    0x4000_0000_0000_0100, // a file of this shard
    0x6000_0000_0000_0100, // a symlink
];

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
    bytes
}

/// The messages of an input: tag and body.
fn messages(mut input: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    while let [tag, low, high, rest @ ..] = input {
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        let (body, later) = rest.split_at(length.min(rest.len()));
        found.push((*tag, body));
        input = later;
    }
    found
}

/// One message of every variant of the corpus, in the input in which it comes first, with every one of its numbers (ids,
/// lengths, counts, kinds, variants) replaced by every strange one: answered or refused, and nothing is broken by it.
#[test]
fn no_field_of_any_message_does_harm() {
    for (family, run) in FAMILIES {
        if family == "frame" {
            continue; // one header, not a list of messages
        }
        let (mut known, mut tried) = (BTreeSet::new(), 0);
        for input in inputs(family) {
            let all = messages(&input);
            for (n, (tag, body)) in all.iter().enumerate() {
                let variant: Vec<u8> = body.iter().take(3).copied().collect();
                if !known.insert(variant) {
                    continue;
                }
                let mut before = Vec::new();
                for (tag, body) in &all[..n] {
                    eggs_fuzz::push(&mut before, *tag, body);
                }
                tried += vary(run, &before, *tag, body);
            }
        }
        println!("{family}: {} variants, {tried} messages", known.len());
        assert!(tried > 100, "the corpus of {family} has no messages");
    }
}

/// Long names and contents have few numbers in them.
const POSITIONS_MAX: usize = 64;

fn vary(run: fn(&[u8]), before: &[u8], tag: u8, body: &[u8]) -> usize {
    let (mut at, mut tried) = (0, 0);
    while at < body.len().min(POSITIONS_MAX) {
        let rest = &body[at..];
        let length = rest.iter().position(|byte| byte & 0x80 == 0);
        let length = length.map_or(rest.len(), |last| last + 1);
        for number in STRANGE {
            let changed = [&body[..at], &varint(number), &rest[length..]].concat();
            let mut input = before.to_vec();
            eggs_fuzz::push(&mut input, tag, &changed);
            run(&input);
            tried += 1;
        }
        at += length;
    }
    tried
}
