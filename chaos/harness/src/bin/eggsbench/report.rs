//! Figures with names and units.

use serde_json::json;

/// All figures of a run, in order.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<(String, f64, &'static str)>,
}

impl Report {
    /// Adds a figure and shows it at once on the standard error, because a run takes minutes.
    pub fn add(&mut self, what: &str, value: f64, unit: &'static str) {
        eprintln!("{what}: {value:.2} {unit}");
        self.rows.push((what.to_string(), value, unit));
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
