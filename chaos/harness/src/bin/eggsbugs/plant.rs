//! The bugs, and where each is put.

use std::process::ExitCode;

use eggs_client::ReadFrom;
use eggs_machine::bugs::Bug as MachineBug;
use eggs_raft::bugs::Bug as RaftBug;

/// A bug and what shows it.
pub struct Bug {
    /// As in `--only`.
    pub name: &'static str,
    /// What is wrong.
    pub what: &'static str,
    pub place: Place,
    pub workload: &'static str,
    pub nemesis: &'static str,
    pub read_from: ReadFrom,
    /// Of load, in each run.
    pub seconds: u64,
}

/// Where a bug is.
#[derive(Clone, Copy)]
pub enum Place {
    /// In what servers of metadata decide.
    Machine(MachineBug),
    /// In how they agree.
    Raft(RaftBug),
    /// In how clients read.
    Reader,
}

/// Every one has to be seen.
pub const BUGS: [Bug; 6] = [
    Bug {
        name: "unleased-leader",
        what: "a leader answers reads without knowing that it still is one",
        place: Place::Raft(RaftBug::LeaseIgnored),
        workload: "registers",
        nemesis: "partition",
        read_from: ReadFrom::Leader,
        seconds: 40,
    },
    Bug {
        name: "follower-unasked",
        what: "a follower answers reads without asking how far it has to be",
        place: Place::Raft(RaftBug::ReadIndexIgnored),
        workload: "registers",
        nemesis: "partition",
        read_from: ReadFrom::Any,
        seconds: 20,
    },
    Bug {
        name: "early-answer",
        what: "changes are acknowledged before they are synced",
        place: Place::Raft(RaftBug::AcknowledgedBeforeSync),
        workload: "all",
        nemesis: "power",
        read_from: ReadFrom::Leader,
        seconds: 25,
    },
    Bug {
        name: "applied-twice",
        what: "the reply table forgets, so that a repeated change happens again",
        place: Place::Machine(MachineBug::DedupRecordLost),
        workload: "all",
        nemesis: "flaky",
        read_from: ReadFrom::Leader,
        seconds: 30,
    },
    Bug {
        name: "half-a-rename",
        what: "lookups ignore locks, so that half a rename is seen",
        place: Place::Machine(MachineBug::ReaderIgnoresLock),
        workload: "tokens",
        nemesis: "none",
        read_from: ReadFrom::Leader,
        seconds: 20,
    },
    Bug {
        name: "wrong-byte",
        what: "a reader takes every page for good",
        place: Place::Reader,
        workload: "files",
        nemesis: "rot",
        read_from: ReadFrom::Leader,
        seconds: 20,
    },
];

/// Programs that this one can stand in for.
pub const SERVERS: [&str; 2] = ["eggsshard", "eggscdc"];
/// In the environment of a server: the name of its bug.
pub const VARIABLE: &str = "EGGS_BUG";

/// Is a server, if it was started instead of one.
pub fn stand_in() -> Option<ExitCode> {
    let server = std::env::var("EGGS_INSTEAD_OF").ok()?;
    let bug = std::env::var(VARIABLE).unwrap_or_default();
    if let Some(bug) = BUGS.iter().find(|known| known.name == bug) {
        match bug.place {
            Place::Machine(bug) => eggs_machine::bugs::plant_everywhere(bug),
            Place::Raft(bug) => eggs_raft::bugs::plant(bug),
            Place::Reader => {}
        }
    }
    Some(match server.as_str() {
        "eggsshard" => eggs_meta_server::args::main_shard(),
        "eggscdc" => eggs_meta_server::args::main_cdc(),
        other => {
            eprintln!("eggsbugs: cannot stand in for {other}");
            ExitCode::from(4)
        }
    })
}
