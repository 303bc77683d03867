//! What becomes of bytes on their way. Pure, apart from the bookkeeping of who waits.

use std::collections::BTreeSet;

/// The name of all clients and programs that are not servers of the cluster.
pub const CLIENTS: &str = "clients";

/// Some processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// These.
    Of(BTreeSet<String>),
    /// All but these.
    AllBut(BTreeSet<String>),
}

impl Side {
    /// One process.
    pub fn one(name: &str) -> Self {
        Self::Of(BTreeSet::from([name.to_owned()]))
    }

    /// All processes and clients.
    pub const fn all() -> Self {
        Self::AllBut(BTreeSet::new())
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Self::Of(names) => names.contains(name),
            Self::AllBut(names) => !names.contains(name),
        }
    }
}

/// What happens to what a rule meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Delivered up to so many milliseconds later.
    Delay {
        /// Most.
        ms_max: u64,
    },
    /// In so many of a thousand cases the connection breaks.
    Break {
        /// How often.
        permille: u64,
    },
    /// Nothing passes.
    Hold,
}

/// What happens to bytes from one side to another; the way back is another rule's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Who sends.
    pub from: Side,
    /// Who receives.
    pub to: Side,
    /// What happens.
    pub effect: Effect,
}

/// The effect of all rules together: the worst of those that apply.
pub(super) fn effect<'a>(
    rules: impl IntoIterator<Item = &'a Rule>,
    from: &str,
    to: &str,
) -> Option<Effect> {
    let met = rules
        .into_iter()
        .filter(|rule| rule.from.has(from) && rule.to.has(to));
    met.map(|rule| rule.effect).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_has_a_direction_and_the_worst_rule_counts() {
        let hold = Rule {
            from: Side::one("shard0"),
            to: Side::AllBut(BTreeSet::from(["shard0".into(), CLIENTS.into()])),
            effect: Effect::Hold,
        };
        let delay = Rule {
            from: Side::all(),
            to: Side::all(),
            effect: Effect::Delay { ms_max: 5 },
        };
        let rules = [delay, hold];
        assert_eq!(effect(&rules, "shard0", "shard1"), Some(Effect::Hold));
        assert_eq!(
            effect(&rules, "shard1", "shard0"),
            Some(Effect::Delay { ms_max: 5 })
        );
        assert_eq!(
            effect(&rules, "shard0", CLIENTS),
            Some(Effect::Delay { ms_max: 5 })
        );
        assert_eq!(effect(&rules[1..], "shard2", "shard1"), None);
    }
}
