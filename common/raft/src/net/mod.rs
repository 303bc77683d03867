//! What replicas say to each other, and how it shares frames.
//!
//! **Invariant:** whatever a peer sends, there is an answer; malformed bytes never reach consensus.
//! **Invariant:** a replica that has just restarted grants no vote: it has forgotten to whom it granted a lease.

mod answer;
mod checkpoint;
mod hearing;
#[cfg(test)]
mod hostile_tests;
mod link;
mod network;
mod notices;
mod space;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

pub(crate) use answer::{Answerer, Silence};
pub(crate) use network::{Network, Networks};
pub(crate) use notices::Notices;
pub(crate) use space::ask_space;
pub(crate) use wire::{
    Answer, PULSE_GROUP, PulseAnswer, PulseQuestion, Question, RestQuestion, is_misdirected,
};
