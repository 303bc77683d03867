//! Metrics that every process has, under the names that everybody's dashboards expect.

use std::fmt;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Linux shows user space 100 ticks per second, whatever it uses itself.
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads `/proc/self` whenever metrics are read.
#[derive(Debug)]
pub(crate) struct ProcessCollector {
    started_seconds: f64,
}

/// What `/proc/self` says.
#[derive(Debug, PartialEq)]
struct Usage {
    cpu_seconds: f64,
    threads: i64,
    resident_bytes: i64,
    open_files: i64,
}

impl Default for ProcessCollector {
    fn default() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            started_seconds: now.map_or(0.0, |now| now.as_secs_f64()),
        }
    }
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut show =
            |name: &str, help: &str, metric: &dyn Shown| metric.show(&mut encoder, name, help);
        show(
            "process_start_time_seconds",
            "Start of the process, seconds since 1970",
            &ConstGauge::new(self.started_seconds),
        )?;
        // Without /proc there is nothing to show.
        let Some(usage) = Usage::read() else {
            return Ok(());
        };
        show(
            "process_cpu_seconds",
            "CPU time used, user and system",
            &ConstCounter::new(usage.cpu_seconds),
        )?;
        show(
            "process_threads",
            "Threads",
            &ConstGauge::new(usage.threads),
        )?;
        show(
            "process_resident_memory_bytes",
            "Memory in use",
            &ConstGauge::new(usage.resident_bytes),
        )?;
        show(
            "process_open_fds",
            "Open files",
            &ConstGauge::new(usage.open_files),
        )
    }
}

/// A metric of any kind.
trait Shown {
    fn show(&self, to: &mut DescriptorEncoder<'_>, name: &str, help: &str) -> fmt::Result;
}

impl<M: EncodeMetric> Shown for M {
    fn show(&self, to: &mut DescriptorEncoder<'_>, name: &str, help: &str) -> fmt::Result {
        self.encode(to.encode_descriptor(name, help, None, self.metric_type())?)
    }
}

impl Usage {
    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let status = fs::read_to_string("/proc/self/status").ok()?;
        // The listing itself is one of them.
        let open_files = fs::read_dir("/proc/self/fd")
            .ok()?
            .count()
            .saturating_sub(1);
        Self::parse(&stat, &status, i64::try_from(open_files).ok()?)
    }

    fn parse(stat: &str, status: &str, open_files: i64) -> Option<Self> {
        // The name of the program is in brackets and may contain anything.
        let (_, fields) = stat.rsplit_once(')')?;
        let field = |number: usize| fields.split_ascii_whitespace().nth(number - 3);
        let ticks: f64 = field(14)?.parse::<f64>().ok()? + field(15)?.parse::<f64>().ok()?;
        let resident = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
        let kibibytes: i64 = resident.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(Self {
            cpu_seconds: ticks / TICKS_PER_SECOND,
            threads: field(20)?.parse().ok()?,
            resident_bytes: kibibytes * 1024,
            open_files,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn awkward_program_names_do_not_confuse() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 12 0 99 1 2";
        let status = "Name:\ta\nVmRSS:\t    8 kB\nThreads:\t12\n";
        let expected = Usage {
            cpu_seconds: 3.0,
            threads: 12,
            resident_bytes: 8192,
            open_files: 5,
        };
        assert_eq!(Usage::parse(stat, status, 5), Some(expected));
        assert_eq!(Usage::parse("", status, 5), None);
        assert_eq!(Usage::parse(stat, "", 5), None);
    }

    #[test]
    fn this_process_uses_something() {
        let usage = Usage::read().unwrap();
        assert!(usage.resident_bytes > 0 && usage.threads > 0 && usage.open_files > 0);
    }

    #[test]
    fn names_are_the_usual_ones() {
        let text = crate::Metrics::new("test").encode();
        for name in [
            "process_start_time_seconds ",
            "process_cpu_seconds_total ",
            "process_resident_memory_bytes ",
            "process_open_fds ",
            "process_threads ",
        ] {
            let start = format!("\n{name}");
            assert!(text.contains(&start), "{name} is missing in\n{text}");
        }
    }
}
