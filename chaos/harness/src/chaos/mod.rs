//! One run: load, faults, healing, last reads, `fsck`, the verdict.

mod after;
mod crew;
mod expected;
mod latencies;
mod logs;
mod run;

use std::collections::BTreeMap;
use std::path::PathBuf;

use eggs_client::ReadFrom;
use serde::Serialize;

use crate::check::{Outcome, Verdict};
pub use crew::Crew;
pub use latencies::{Latencies, Quantiles};
pub use logs::{LoggedError, copy_logs};
pub use run::run_chaos;

/// What to do.
#[derive(Clone, Debug)]
pub struct ChaosPlan {
    /// Name of a workload.
    pub workload: String,
    /// Name of a nemesis.
    pub nemesis: String,
    /// Seconds of load.
    pub seconds: u64,
    /// What chance follows from. The schedule of the machine does not.
    pub seed: u64,
    /// Clients that work at the same time.
    pub workers: u64,
    /// Which replicas answer reads of the workers and the reads at the end.
    pub read_from: ReadFrom,
    /// Directory for the history and the report; it exists.
    pub out: PathBuf,
}

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
pub struct ChaosReport {
    /// In one word.
    pub outcome: Outcome,
    /// What the checkers say.
    pub verdict: Verdict,
    /// What is wrong beside the history: `fsck`, health, errors in the logs that no fault explains.
    pub problems: Vec<String>,
    /// Different errors in the logs of the servers.
    pub errors: Vec<LoggedError>,
    /// How long calls took, by kind.
    pub latencies: BTreeMap<String, Latencies>,
    /// Calls that were answered, refusals included.
    pub answered: u64,
    /// Changes whose outcome is not known.
    pub unknown: u64,
    /// Reads without an answer, and changes that never left.
    pub failed: u64,
    /// Faults.
    pub faults: usize,
    /// The history.
    pub history: PathBuf,
    /// The page for people.
    pub page: PathBuf,
    /// The logs of all processes, unless everything was as it has to be.
    pub logs: PathBuf,
}
