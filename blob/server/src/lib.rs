//! `eggsblocks`: block services over the network, one per disk.
//!
//! The network runs on one thread; every disk has a few threads of its own, made when there is work, so
//! that one slow disk never holds up another.
//!
//! **Invariant:** memory is bounded: requests by the RPC server, pages being sent by a budget, and what
//! waits for a disk by its queues. Whatever exceeds them is refused as overloaded. What a disk holds of it, waiting
//! or being sent, is never more than it leaves for the others.
//!
//! **Invariant:** no request stops the process.

mod args;
mod damage;
mod disks;
mod known_disks;
mod memory;
mod metrics;
mod patience;
mod pool;
mod read;
mod reports;
mod run;
mod service;
mod shares;
mod timing;

pub use args::{Args, BadDisk, DiskArg};
pub use disks::{ServedDisk, ServedDisks};
pub use metrics::BlockMetrics;
pub use run::main;
pub use service::{BlockService, ServiceLimits};
