//! What clients do while the cluster is being broken.
//!
//! Every workload works on many small objects and retires each after a while, so that the history of one object stays
//! short enough to be searched for an order of events.

mod counters;
mod files;
mod hand;
mod registers;
mod rotation;
mod sets;
mod tokens;
mod trees;
mod value;

use anyhow::Result;
use eggs_proto::InodeId;

use counters::Counters;
use files::Files;
pub use hand::Hand;
use registers::Registers;
use sets::Sets;
use tokens::Tokens;
use trees::Trees;

/// Names that `--workload` takes, with a sentence each.
pub const WORKLOADS: [(&str, &str); 7] = [
    (
        "registers",
        "files created, replaced, renamed over, deleted and read",
    ),
    (
        "sets",
        "names added to and removed from directories that are listed",
    ),
    (
        "tokens",
        "files renamed from directory to directory: never doubled, never lost",
    ),
    ("counters", "numbers taken by exclusive creation"),
    (
        "trees",
        "directories moved below each other, never in circles",
    ),
    (
        "files",
        "files of up to 6 MB in blocks, written, read in pieces, deleted",
    ),
    ("all", "all of these at once, but files"),
];

/// A workload on a cluster.
pub struct Workload {
    parts: Vec<Part>,
}

enum Part {
    Registers(Registers),
    Sets(Sets),
    Tokens(Tokens),
    Counters(Counters),
    Trees(Trees),
    Files(Files),
}

impl Workload {
    /// Makes what the workload needs. `None` if there is none of this name.
    pub async fn prepare(name: &str, hand: &mut Hand) -> Result<Option<Self>> {
        let names: Vec<&str> = match name {
            "all" => vec!["registers", "sets", "tokens", "counters", "trees"],
            one => vec![one],
        };
        let mut parts = Vec::new();
        for name in names {
            parts.push(match name {
                "registers" => Part::Registers(Registers::prepare(hand).await?),
                "sets" => Part::Sets(Sets::prepare(hand).await?),
                "tokens" => Part::Tokens(Tokens::prepare(hand).await?),
                "counters" => Part::Counters(Counters::prepare(hand).await?),
                "trees" => Part::Trees(Trees::prepare(hand).await?),
                "files" => Part::Files(Files::prepare(hand).await?),
                _unknown => return Ok(None),
            });
        }
        Ok(Some(Self { parts }))
    }

    /// Whether there is a workload of this name.
    pub fn exists(name: &str) -> bool {
        WORKLOADS.iter().any(|(known, _)| *known == name)
    }

    /// One operation of a worker.
    pub async fn step(&self, hand: &mut Hand) {
        let at = hand.random.below(self.parts.len());
        match &self.parts[at] {
            Part::Registers(registers) => registers.step(hand).await,
            Part::Sets(sets) => sets.step(hand).await,
            Part::Tokens(tokens) => tokens.step(hand).await,
            Part::Counters(counters) => counters.step(hand).await,
            Part::Trees(trees) => trees.step(hand).await,
            Part::Files(files) => files.step(hand).await,
        }
    }

    /// Reads everything again, when all is healed.
    pub async fn finish(&self, hand: &mut Hand) {
        for part in &self.parts {
            match part {
                Part::Registers(registers) => registers.finish(hand).await,
                Part::Sets(sets) => sets.finish(hand).await,
                Part::Tokens(tokens) => tokens.finish(hand).await,
                Part::Counters(counters) => counters.finish(hand).await,
                Part::Trees(trees) => trees.finish(hand).await,
                Part::Files(files) => files.finish(hand).await,
            }
        }
    }

    /// Directories that the workload uses now: whoever leads their shards is worth hunting.
    pub fn directories(&self) -> Vec<InodeId> {
        let lists = self.parts.iter().map(|part| match part {
            Part::Registers(registers) => registers.directories(),
            Part::Sets(sets) => sets.directories(),
            Part::Tokens(tokens) => tokens.directories(),
            Part::Counters(counters) => counters.directories(),
            Part::Trees(trees) => trees.directories(),
            Part::Files(files) => files.directories(),
        });
        lists.flatten().collect()
    }
}
