//! What was reached, so that what is never reached is seen.

use std::collections::BTreeMap;
use std::fmt;

/// Before the name of a transaction and its step: it was reached.
pub(crate) const STEP: &str = "cdc step of ";
/// Before the name of a transaction and its step: the coordinator died there.
pub(crate) const DIED: &str = "cdc died in ";

/// How often each interesting state was met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    hits: BTreeMap<String, u64>,
}

impl Coverage {
    /// Counts a state.
    pub fn hit(&mut self, state: impl Into<String>) {
        *self.hits.entry(state.into()).or_default() += 1;
    }

    /// How often a state was met.
    pub fn count(&self, state: &str) -> u64 {
        self.hits.get(state).copied().unwrap_or(0)
    }

    /// Adds what another run has met.
    pub fn merge(&mut self, other: &Self) {
        for (state, count) in &other.hits {
            *self.hits.entry(state.clone()).or_default() += count;
        }
    }

    /// Those of the expected states that were never met.
    pub fn missing<'a>(&self, expected: &[&'a str]) -> Vec<&'a str> {
        let never = |state: &&&str| self.count(state) == 0;
        expected.iter().filter(never).copied().collect()
    }

    /// Steps of transactions that were reached, and at which no coordinator has died.
    pub fn never_died_at(&self) -> Vec<&str> {
        let steps = self
            .hits
            .keys()
            .filter_map(|state| state.strip_prefix(STEP));
        steps
            .filter(|step| self.count(&format!("{DIED}{step}")) == 0)
            .collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (state, count) in &self.hits {
            writeln!(f, "{count:>10}  {state}")?;
        }
        Ok(())
    }
}

/// The first word of a value's debug form: the name of an enum's variant.
pub fn label(value: &impl fmt::Debug) -> String {
    let text = format!("{value:?}");
    let end = text.find(|c: char| !c.is_alphanumeric());
    text[..end.unwrap_or(text.len())].to_owned()
}
