//! The ERROR lines that a nemesis brings about, each with its reason.

struct Expected {
    nemeses: &'static [&'static str],
    /// Part of the line, digits written as `#`.
    text: &'static str,
    why: &'static str,
}

/// Nemeses under which processes are told to stop, or must.
const STOPPING: &[&str] = &[
    "roll", "fsync", "full", "filled", "replace", "members", "lost", "all",
];

const EXPECTED: &[Expected] = &[
    Expected {
        nemeses: STOPPING,
        text: ": openraft::",
        why: "openraft's words for a group that stops; whether somebody has to be woken is said by us",
    },
    Expected {
        nemeses: &["fsync", "all"],
        text: "a change failed: the disk takes no writes",
        why: "what an fsync failed for may be lost: the disk of blocks waits for an operator",
    },
    Expected {
        nemeses: &["fsync", "full", "all"],
        text: "replicas of this process must stop",
        why: "a metadata process never goes on after a failed fsync, or a failed write of its log",
    },
    Expected {
        nemeses: &["fsync", "full", "all"],
        text: ": fault error=",
        why: "a metadata process says what it ends of",
    },
];

/// Why a line of the log had to be expected under this nemesis; `None` if it had not.
pub(super) fn why(nemesis: &str, what: &str) -> Option<&'static str> {
    let expected = EXPECTED
        .iter()
        .find(|expected| expected.nemeses.contains(&nemesis) && what.contains(expected.text));
    expected.map(|expected| expected.why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nemesis::Nemesis;

    #[test]
    fn what_is_expected_belongs_to_nemeses_that_exist() {
        for expected in EXPECTED {
            let known = |name: &&str| Nemesis::of(name).is_some();
            assert!(expected.nemeses.iter().all(known), "{}", expected.text);
            assert!(!expected.nemeses.contains(&"none"));
        }
    }
}
