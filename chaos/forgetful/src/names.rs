//! The names in one directory: which there are, which are durable, and what lies between.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use crate::fate::Fate;

/// Number of a file or directory.
pub type Number = u64;

/// The names in one directory.
#[derive(Clone, Debug, Default)]
pub struct Names {
    now: BTreeMap<OsString, Number>,
    durable: BTreeMap<OsString, Number>,
    /// In the order in which they were made.
    unsynced: Vec<(OsString, Option<Number>)>,
}

fn set(
    names: &mut BTreeMap<OsString, Number>,
    name: OsString,
    to: Option<Number>,
) -> Option<Number> {
    match to {
        Some(number) => names.insert(name, number),
        None => names.remove(&name),
    }
}

impl Names {
    /// What a name means.
    pub fn get(&self, name: &OsStr) -> Option<Number> {
        self.now.get(name).copied()
    }

    /// Gives a name to something, or to nothing; says what had it.
    pub fn set(&mut self, name: &OsStr, to: Option<Number>) -> Option<Number> {
        self.unsynced.push((name.to_owned(), to));
        set(&mut self.now, name.to_owned(), to)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, Number)> {
        self.now
            .iter()
            .map(|(name, number)| (name.as_os_str(), *number))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.now.is_empty()
    }

    /// Makes them durable.
    pub fn sync(&mut self) {
        for (name, to) in self.unsynced.drain(..) {
            set(&mut self.durable, name, to);
        }
    }

    /// What a power cut leaves: all that were synced, and any of the changes since. A name that moved may be in both places, or
    /// in none if it was synced in none.
    pub fn survivor(&self, fate: &mut Fate) -> Self {
        let mut left = self.durable.clone();
        for (name, to) in &self.unsynced {
            if fate.keeps() {
                set(&mut left, name.clone(), *to);
            }
        }
        Self::durable(left)
    }

    /// Names that were all synced.
    pub fn durable(names: BTreeMap<OsString, Number>) -> Self {
        Self {
            now: names.clone(),
            durable: names,
            unsynced: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Survival;

    #[test]
    fn names_survive_if_they_were_synced_and_may_otherwise() {
        let (a, b) = (OsStr::new("a"), OsStr::new("b"));
        let mut names = Names::default();
        names.set(a, Some(1));
        names.sync();
        names.set(a, None);
        names.set(b, Some(2));
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..100 {
            let mut fate = Fate::new(Survival::Some, seed);
            fate.next();
            let left = names.survivor(&mut fate);
            seen.insert((left.get(a), left.get(b)));
        }
        let all = [
            (None, None),
            (None, Some(2)),
            (Some(1), None),
            (Some(1), Some(2)),
        ];
        assert_eq!(seen, all.into());
        assert_eq!(names.iter().count(), 1);
    }
}
