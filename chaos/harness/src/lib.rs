//! Starts whole clusters of real processes, breaks them, and cleans up after them.
//!
//! [`run_chaos`] puts it together: a [`workload`] whose clients keep a [`history`], a [`nemesis`] that breaks things
//! meanwhile, and [`check`] that judges what was seen. `eggstests` is the program around it.
//!
//! **Invariant:** when a [`Cluster`] goes, its processes, mount and files are gone, also after a failed test.

mod browser;
mod caretaker;
mod chaos;
pub mod check;
mod close;
mod cluster;
mod content;
pub mod dress;
mod file_set;
pub mod history;
mod http;
mod mover;
pub mod namespaces;
pub mod nemesis;
pub mod network;
mod programs;
mod random;
mod replicas;
pub mod report;
mod small_disk;
mod wait;
pub mod workload;

pub use browser::Browser;
pub use caretaker::Caretaker;
pub use chaos::{ChaosPlan, ChaosReport, Latencies, LoggedError, Quantiles, copy_logs, run_chaos};
pub use close::close;
pub use cluster::{Cluster, Options};
pub use content::Content;
pub use file_set::{check_files, write_files};
pub use http::{get, get_json};
pub use mover::{Mover, check_moved};
pub use programs::{Finished, program_dir};
pub use random::Random;
pub use replicas::{meta, meta_status, votes};
pub use small_disk::Ballast;
pub use wait::{eventually, until};
