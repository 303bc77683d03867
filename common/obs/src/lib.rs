//! What an operator sees of a process: its log, its metrics, its health, and how it stops.
//!
//! **Invariant:** a metric is in a [`metric_table!`] or does not exist; one with a bad name does not
//! survive the first test that registers its table.
//!
//! **Invariant:** no label is a path, an inode or a client.

mod health;
pub mod http;
mod log;
mod memory;
mod metrics;
mod process;
mod resources;
mod shutdown;

pub use health::Health;
pub use log::{BadLogFormat, LogFormat, init};
pub use memory::keep_freed_memory;
pub use metrics::{
    Counter, CounterBy, Family, FloatGauge, Gauge, GaugeBy, Histogram, HistogramBy, Labels,
    Measure, Metrics,
};
pub use prometheus_client;
pub use resources::raise_file_limit;
pub use shutdown::shutdown_signal;
