//! The metric table of a program.
//!
//! ```
//! eggs_obs::metric_table! {
//!     /// What a teapot counts.
//!     pub struct TeapotMetrics {
//!         /// Cups filled.
//!         pub cups: Counter = "eggs_teapot_cups_total", "Cups filled";
//!         /// Tea left.
//!         pub tea_bytes: Gauge = "eggs_teapot_tea_bytes", "Tea left";
//!         /// Time to boil, by fuel.
//!         pub boil_seconds: HistogramBy = "eggs_teapot_boil_seconds", "Time to boil, by fuel";
//!     }
//! }
//!
//! let metrics = eggs_obs::Metrics::new("teapot");
//! let teapot = TeapotMetrics::register(&metrics);
//! teapot.cups.inc();
//! teapot.boil_seconds.get_or_create(&[("fuel", "gas")]).observe(0.2);
//! assert!(metrics.encode().contains("eggs_teapot_cups_total 1"));
//! ```

use std::hash::Hash;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::EncodeLabelSet;
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::family::Family;
pub use prometheus_client::metrics::gauge::Gauge;
pub use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::histogram::exponential_buckets;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use crate::process::ProcessCollector;

/// A gauge of a fractional quantity.
pub type FloatGauge = Gauge<f64, AtomicU64>;
/// One label, with a value from a fixed set.
pub type Labels = [(&'static str, &'static str); 1];
/// A counter per value of a label.
pub type CounterBy = Family<Labels, Counter>;
/// A gauge per value of a label.
pub type GaugeBy = Family<Labels, Gauge>;
/// A histogram per value of a label.
pub type HistogramBy = Family<Labels, Histogram, fn() -> Histogram>;

/// Whether the name of a metric ends with `_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Only grows; its name ends with `_total`.
    Counts,
    /// Anything else; its name ends with its unit.
    Measures,
}

/// A kind of metric that a table may contain.
pub trait Measure: Metric + Clone {
    /// What its name has to look like.
    const SHAPE: Shape;
    /// A new one, at zero. Histograms are of seconds, from 50 µs to about 100 s.
    fn create() -> Self;
}

impl Measure for Counter {
    const SHAPE: Shape = Shape::Counts;
    fn create() -> Self {
        Self::default()
    }
}

impl Measure for Gauge {
    const SHAPE: Shape = Shape::Measures;
    fn create() -> Self {
        Self::default()
    }
}

impl Measure for FloatGauge {
    const SHAPE: Shape = Shape::Measures;
    fn create() -> Self {
        Self::default()
    }
}

impl Measure for Histogram {
    const SHAPE: Shape = Shape::Measures;
    fn create() -> Self {
        Self::new(exponential_buckets(50e-6, 2.0, 22))
    }
}

impl<S, M> Measure for Family<S, M, fn() -> M>
where
    S: EncodeLabelSet + Clone + Eq + Hash + std::fmt::Debug + Send + Sync + 'static,
    M: Measure + prometheus_client::metrics::TypedMetric,
    M: prometheus_client::encoding::EncodeMetric,
{
    const SHAPE: Shape = M::SHAPE;
    fn create() -> Self {
        Self::new_with_constructor(M::create)
    }
}

/// All metrics of a process; a clone is the same set. Those of the process itself are built in.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl Metrics {
    /// The metrics of a program, before its own table.
    pub fn new(program: &'static str) -> Self {
        let mut registry = Registry::default();
        let version = env!("CARGO_PKG_VERSION");
        let build = Info::new([("program", program), ("version", version)]);
        registry.register("eggs_build", "Program and version", build);
        registry.register_collector(Box::new(ProcessCollector::default()));
        Self(Arc::new(Mutex::new(registry)))
    }

    /// Adds a metric; meant for [`metric_table!`](crate::metric_table).
    ///
    /// # Panics
    ///
    /// If the name is not `eggs_<part>_<noun>_<unit>`, with `_total` exactly on counters: a mistake
    /// in the table, found by the first test that registers it.
    pub fn register<M: Measure>(&self, name: &str, help: &str) -> M {
        let base = name.strip_suffix("_total");
        assert_eq!(
            base.is_some(),
            M::SHAPE == Shape::Counts,
            "metric {name}: counters, and only they, end with _total"
        );
        assert!(well_formed(name), "metric {name}: not eggs_<part>_<noun>");
        let metric = M::create();
        // The encoder adds `_total` and a full stop by itself.
        let help = help.trim_end_matches('.');
        self.lock()
            .register(base.unwrap_or(name), help, metric.clone());
        metric
    }

    /// Adds something that is asked for its values whenever metrics are read.
    pub fn register_collector(&self, collector: Box<dyn Collector>) {
        self.lock().register_collector(collector);
    }

    /// The OpenMetrics text.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        let encoded = prometheus_client::encoding::text::encode(&mut text, &self.lock());
        if let Err(error) = encoded {
            tracing::error!(%error, "metrics could not be written");
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        // Registration does not leave half a metric behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn well_formed(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.starts_with("eggs_") && name.split('_').count() >= 3 && name.chars().all(legal)
}

/// Declares the metrics of a program: a struct with one field per metric, and `register`, which adds
/// them to [`Metrics`]. The types are those of this crate, by name: see the [module](crate::Metrics).
#[macro_export]
macro_rules! metric_table {
    (
        $(#[$meta:meta])*
        $vis:vis struct $table:ident {
            $( $(#[$field_meta:meta])* $field_vis:vis $field:ident : $kind:ident = $name:literal, $help:literal; )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        $vis struct $table {
            $( $(#[$field_meta])* $field_vis $field: $crate::$kind, )*
        }

        impl $table {
            /// Adds the metrics of this table.
            $vis fn register(metrics: &$crate::Metrics) -> Self {
                Self { $( $field: metrics.register::<$crate::$kind>($name, $help), )* }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::metric_table! {
        /// One of each kind.
        struct Table {
            counter: Counter = "eggs_test_things_total", "Things";
            gauge: Gauge = "eggs_test_now_bytes", "Now";
            float: FloatGauge = "eggs_test_load_ratio", "Load";
            histogram: Histogram = "eggs_test_wait_seconds", "Wait";
            counters: CounterBy = "eggs_test_kinds_total", "Kinds";
            gauges: GaugeBy = "eggs_test_disks_bytes", "Disks";
            histograms: HistogramBy = "eggs_test_read_seconds", "Reads";
        }
    }

    #[test]
    fn what_is_counted_is_shown() {
        let metrics = Metrics::new("test");
        let table = Table::register(&metrics);
        table.counter.inc_by(3);
        table.gauge.set(-4);
        table.float.set(0.5);
        table.histogram.observe(0.003);
        table.counters.get_or_create(&[("kind", "red")]).inc();
        table.gauges.get_or_create(&[("disk", "a")]).set(9);
        let by_kind = &table.histograms;
        by_kind.get_or_create(&[("kind", "cold")]).observe(1.0);
        let text = metrics.encode();
        for line in [
            "eggs_test_things_total 3",
            "eggs_test_now_bytes -4",
            "eggs_test_load_ratio 0.5",
            "eggs_test_wait_seconds_count 1",
            "eggs_test_kinds_total{kind=\"red\"} 1",
            "eggs_test_disks_bytes{disk=\"a\"} 9",
            "eggs_test_read_seconds_count{kind=\"cold\"} 1",
            "eggs_build_info{program=\"test\"",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    #[should_panic(expected = "_total")]
    fn a_counter_ends_with_total() {
        Metrics::new("test").register::<Counter>("eggs_test_things", "Things");
    }

    #[test]
    #[should_panic(expected = "_total")]
    fn a_gauge_does_not() {
        Metrics::new("test").register::<Gauge>("eggs_test_things_total", "Things");
    }

    #[test]
    #[should_panic(expected = "eggs_")]
    fn names_have_our_prefix() {
        Metrics::new("test").register::<Gauge>("test_things_bytes", "Things");
    }
}
