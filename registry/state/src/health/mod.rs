//! Health: what is wrong, what that affects, and the next command to type.
//!
//! A pure function of what the registry knows. Codes are stable: scripts and alerts name them. Findings of
//! one code are put together, so that the loss of a whole rack reads as a few sentences.

mod capacity;
mod groups;
mod processes;
mod rebuilding;
mod services;
mod space;
mod words;

pub use groups::GroupCondition;

use eggs_proto::registry::{HealthFinding, Severity};

use crate::{ClusterView, Totals};

/// The cluster's health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The worst of all findings.
    pub severity: Severity,
    /// The worst first.
    pub findings: Vec<HealthFinding>,
}

/// Judges the cluster.
pub fn health(view: &ClusterView) -> Health {
    let totals = Totals::of(&view.map);
    let mut findings = Vec::new();
    groups::check(view, &mut findings);
    processes::check(view, &mut findings);
    rebuilding::check(view, &mut findings);
    services::check(view, &mut findings);
    space::check(view, &mut findings);
    capacity::check(&totals, &view.demands, &mut findings);
    Health::of(findings)
}

impl Health {
    /// Puts findings in order.
    pub fn of(mut findings: Vec<HealthFinding>) -> Self {
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let severity = findings
            .first()
            .map_or(Severity::Ok, |finding| finding.severity);
        Self { severity, findings }
    }
}

/// A finding from its parts, in the order in which a person reads them.
fn finding(severity: Severity, code: &str, [what, affects, remedy]: [String; 3]) -> HealthFinding {
    HealthFinding {
        code: code.to_owned(),
        severity,
        what,
        affects,
        remedy,
    }
}
