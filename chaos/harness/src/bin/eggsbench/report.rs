//! Figures with names and units.

use serde_json::json;

/// All figures of a run, in order.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<(String, f64, String)>,
    /// In front of the names of all figures.
    circumstance: String,
}

impl Report {
    /// Adds a figure and shows it at once on the standard error, because a run takes minutes.
    pub fn add(&mut self, what: &str, value: f64, unit: impl Into<String>) {
        let unit = unit.into();
        let what = format!("{}{what}", self.circumstance);
        eprintln!("{what}: {value:.2} {unit}");
        self.rows.push((what, value, unit));
    }

    /// What is true of the figures from here on.
    pub fn under(&mut self, circumstance: &str) {
        self.circumstance = format!("{circumstance}: ");
    }

    /// Adds the middle and the slowest hundredth of durations in microseconds.
    pub fn percentiles(&mut self, what: &str, mut micros: Vec<u32>) {
        micros.sort_unstable();
        for percent in [50, 99] {
            let at = micros.len() * percent / 100;
            let found = micros.get(at).or(micros.last()).copied().unwrap_or(0);
            self.add(&format!("{what}: p{percent}"), f64::from(found) / 1e3, "ms");
        }
    }

    /// For people.
    pub fn print_text(&self) {
        let width = self
            .rows
            .iter()
            .map(|(what, ..)| what.len())
            .max()
            .unwrap_or(0);
        for (what, value, unit) in &self.rows {
            let digits = if *value >= 100.0 { 0 } else { 2 };
            println!("{what:<width$}  {value:>12.digits$}  {unit}");
        }
    }

    /// For programs.
    pub fn print_json(&self) {
        let rows: Vec<_> = self
            .rows
            .iter()
            .map(|(what, value, unit)| json!({"what": what, "value": value, "unit": unit}))
            .collect();
        println!("{:#}", json!(rows));
    }
}
