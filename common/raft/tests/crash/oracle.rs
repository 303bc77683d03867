//! What was acknowledged, and what must therefore be so.

use std::collections::{BTreeMap, BTreeSet};

/// What is known of one group.
#[derive(Default)]
pub struct Oracle {
    /// Position → command, as clients were told.
    acknowledged: BTreeMap<u64, u64>,
    pub wrong: Option<String>,
}

impl Oracle {
    fn violate(&mut self, what: String) {
        self.wrong.get_or_insert(what);
    }

    /// A client was told that its command is at a position.
    pub fn acknowledge(&mut self, position: u64, command: u64) {
        match self.acknowledged.insert(position, command) {
            Some(other) if other != command => {
                self.violate(format!("{other} and {command} are both at {position}"));
            }
            Some(_) | None => {}
        }
    }

    pub fn count(&self) -> u64 {
        self.acknowledged.len() as u64
    }

    /// Any replica's list, at any time: no command twice, no gap, nothing else than what was acknowledged where something
    /// was.
    pub fn check_list(&mut self, whose: &str, list: &[(u64, u64)]) {
        let mut seen = BTreeSet::new();
        for (expected, (position, command)) in (1..).zip(list) {
            if *position != expected {
                return self.violate(format!("{whose}: {position} follows {}", expected - 1));
            }
            if !seen.insert(command) {
                return self.violate(format!("{whose}: {command} was applied twice"));
            }
            if let Some(told) = self.acknowledged.get(position)
                && told != command
            {
                let what = format!("{whose}: {command} at {position}, {told} was acknowledged");
                return self.violate(what);
            }
        }
    }

    /// A list that has everything.
    pub fn check_last(&mut self, whose: &str, list: &[(u64, u64)]) {
        self.check_list(whose, list);
        let end = list.len() as u64;
        if let Some((position, command)) = self.acknowledged.last_key_value()
            && *position > end
        {
            let what = format!("{whose}: {command} was acknowledged at {position} of {end}");
            self.violate(what);
        }
    }
}
