//! The network between the processes of a cluster: a proxy in front of every server, and rules for what passes.
//!
//! All processes and clients reach each other through proxies on the loopback interface, so that no privileges are
//! needed. Which process a connection comes from is found in `/proc`. What a rule holds back is kept and delivered once
//! the rule is gone, or never if an end gives up first, just as TCP would repeat what a broken wire lost: late messages
//! are what a partition is about. TCP never duplicates: requests are duplicated by clients that repeat what got no
//! answer.

mod origin;
mod proxy;
mod rules;

pub use proxy::Network;
pub use rules::{CLIENTS, Effect, Rule, Side};
