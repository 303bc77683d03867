//! Puts things between the servers of a cluster and the world, without their knowing and without privileges.
//!
//! `eggsrun` starts the programs that are beside it. For a cluster under test it is copied into a directory in which
//! every server program is a link to `eggstests`. Started under such a name, `eggstests` asks the running test over a
//! socket what to change, and becomes the real program with other arguments and environment: the addresses of other
//! processes lead through the proxies of [`crate::network`], and a library between program and system can make its
//! clock jump and its disk fail ([`Faults`]). The process id stays, so that `eggsrun` looks after it as ever.

mod faults;
mod put_on;
mod rewrite;
mod tailor;
mod unsynced;

pub use faults::Faults;
pub use put_on::{put_on, role};
pub use tailor::{Dress, Instead, Power, Style, Wires};
