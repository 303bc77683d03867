//! States that are kept as of one moment, for backups; filling empty groups; digests, for comparing replicas.

mod answer;
mod digests;
mod pins;

pub(crate) use digests::Digests;
pub(crate) use pins::Pins;
