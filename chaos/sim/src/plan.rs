//! What is going to be done to the cluster: a list that follows from the seed, any part of which can be left out.

use std::collections::BTreeSet;

use crate::random::Random;

/// Names of files and directories: few, so that operations often meet.
pub const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// What a run is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Everything follows from it.
    pub seed: u64,
    /// How long operations and faults go on, in simulated seconds.
    pub seconds: u64,
    /// Only these items of the plan; `None` for all of them.
    pub only: Option<BTreeSet<usize>>,
    /// Whether the last events are kept in words.
    pub verbose: bool,
}

impl Config {
    /// Everything that a seed does.
    pub const fn new(seed: u64, seconds: u64) -> Self {
        Self {
            seed,
            seconds,
            only: None,
            verbose: false,
        }
    }

    /// The line that repeats the run.
    pub fn repeat(&self) -> String {
        let (seed, seconds) = (self.seed, self.seconds);
        let mut line = format!(
            "repeat: cargo run --release -p eggs-sim -- --seed {seed:#x} --seconds {seconds}"
        );
        if let Some(only) = &self.only {
            let only: Vec<String> = only.iter().map(usize::to_string).collect();
            line.push_str(&format!(" --only {}", only.join(",")));
        }
        line
    }
}

/// Kinds of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum Operation {
    CreateFile,
    WriteFile,
    Symlink,
    Unlink,
    RenameHere,
    MakeDirectory,
    RemoveDirectory,
    Move,
    Lookup,
    List,
    Read,
    SetAttributes,
    SetPolicy,
    SetService,
    /// A confused server asks for what must not happen.
    Meddle,
    /// Brings an old version back.
    Undelete,
    /// Moves a directory onto an empty one below a second one, …
    JuggleOver,
    /// … while that is moved below the first.
    JuggleUnder,
    /// Sets, removes or reads extended attributes.
    Xattrs,
    /// Asks for what nobody may have.
    Cheat,
    /// Makes lost blocks of a file again.
    Heal,
}

/// Kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum Fault {
    Crash,
    CrashCoordinator,
    Cut,
    CutOneWay,
    Storm,
    Delay,
    ClockJump,
    NewLeader,
    FullDisk,
    SlowLogs,
    /// A process takes nothing in for a while.
    Stall,
    /// A disk loses blocks, or dies for good.
    LoseDisk,
    /// A disk is put into another host.
    MoveDisk,
}

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A client does something.
    Operate(Operation),
    /// Something breaks.
    Break(Fault),
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// When, in milliseconds from the beginning.
    pub at_ms: u64,
    /// What.
    pub what: What,
    /// Decides everything else about it.
    pub dice: u64,
}

/// What is going to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// In order of time.
    pub items: Vec<Item>,
    /// How far clocks of shards and coordinator may be off, in milliseconds.
    pub clock_ms_max: u64,
    /// How long snapshots are kept, in milliseconds.
    pub keep_ms: u64,
    /// Whether policies may say how many versions are kept: then nobody knows for how long.
    pub versions_count: bool,
}

const OPERATIONS: [(Operation, u64); 20] = [
    (Operation::CreateFile, 14),
    (Operation::WriteFile, 12),
    (Operation::Symlink, 3),
    (Operation::Unlink, 10),
    (Operation::RenameHere, 8),
    (Operation::MakeDirectory, 10),
    (Operation::RemoveDirectory, 10),
    (Operation::Move, 20),
    (Operation::Lookup, 16),
    (Operation::List, 8),
    (Operation::Read, 8),
    (Operation::SetAttributes, 3),
    (Operation::SetPolicy, 4),
    (Operation::SetService, 1),
    (Operation::Meddle, 4),
    (Operation::Undelete, 8),
    (Operation::JuggleOver, 4),
    (Operation::Xattrs, 10),
    (Operation::Cheat, 2),
    (Operation::Heal, 6),
];

const FAULTS: [(Fault, u64); 13] = [
    (Fault::Crash, 20),
    (Fault::CrashCoordinator, 10),
    (Fault::Cut, 10),
    (Fault::CutOneWay, 5),
    (Fault::Storm, 8),
    (Fault::Delay, 8),
    (Fault::ClockJump, 10),
    (Fault::NewLeader, 30),
    (Fault::FullDisk, 4),
    (Fault::SlowLogs, 5),
    (Fault::Stall, 8),
    (Fault::LoseDisk, 2),
    (Fault::MoveDisk, 4),
];

impl Plan {
    /// The plan of a seed. Each seed prefers other operations and faults, so that few of them do all in moderation.
    pub fn new(seed: u64, seconds: u64) -> Self {
        let mut random = Random::new(seed ^ 0x9147_5a1d_33c0_ffee);
        let operations = prefer(&OPERATIONS.map(|(_, weight)| weight), &mut random);
        let faults = prefer(&FAULTS.map(|(_, weight)| weight), &mut random);
        let operation_ms = random.pick(&[40, 60, 100, 200]).unwrap_or(100);
        let fault_ms = random.pick(&[700, 2_000, 6_000, 20_000]).unwrap_or(2_000);
        let clock_ms_max = random.pick(&[1_000, 20_000, 240_000]).unwrap_or(1_000);
        let keep_ms = random.pick(&[10_000, 30_000, 120_000]).unwrap_or(30_000);
        let versions_count = random.permille(350);
        let mut items = Vec::new();
        let end_ms = seconds * 1000;
        let mut at_ms = 2_000;
        while at_ms < end_ms {
            let (operation, _) = OPERATIONS[random.weighted(&operations)];
            let what = What::Operate(operation);
            let dice = random.word();
            items.push(Item { at_ms, what, dice });
            if operation == Operation::JuggleOver {
                items.push(Item {
                    at_ms: at_ms + random.below(30),
                    what: What::Operate(Operation::JuggleUnder),
                    dice,
                });
            }
            at_ms += random.below(2 * operation_ms);
        }
        at_ms = 5_000;
        while at_ms < end_ms {
            let (fault, _) = FAULTS[random.weighted(&faults)];
            let what = What::Break(fault);
            let dice = random.word();
            items.push(Item { at_ms, what, dice });
            at_ms += random.below(2 * fault_ms);
        }
        items.sort_by_key(|item| item.at_ms);
        Self {
            items,
            clock_ms_max,
            keep_ms,
            versions_count,
        }
    }
}

/// Multiplies each weight by something between a quarter and four.
fn prefer(weights: &[u64], random: &mut Random) -> Vec<u64> {
    weights
        .iter()
        .map(|weight| weight << random.below(5))
        .collect()
}
