//! Starts whole clusters of real processes, breaks them, and cleans up after them.
//!
//! **Invariant:** when a [`Cluster`] goes, its processes, mount and files are gone, also after a failed test.

mod browser;
mod close;
mod cluster;
mod content;
mod file_set;
mod http;
mod programs;
mod wait;

pub use browser::Browser;
pub use close::close;
pub use cluster::{Cluster, Options};
pub use content::Content;
pub use file_set::{check_files, write_files};
pub use http::{get, get_json};
pub use programs::{Finished, program_dir};
pub use wait::{eventually, until};
