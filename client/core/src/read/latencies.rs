//! How long block services usually take, to know when to stop waiting for one alone.

/// A running estimate.
#[derive(Debug, Default)]
pub(crate) struct Latencies;
