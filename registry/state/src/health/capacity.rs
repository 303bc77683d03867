//! Whether there are enough failure domains, and enough space in them, for how files are stored.

use eggs_proto::StorageClass;
use eggs_proto::registry::{HealthFinding, Severity};

use super::finding;
use crate::{ClassTotals, Demand, Demands, Fill, Totals};

pub(super) fn check(totals: &Totals, demands: &Demands, findings: &mut Vec<HealthFinding>) {
    if totals.classes.is_empty() {
        findings.push(finding(
            Severity::Down,
            "NO_BLOCK_SERVICES",
            [
                "no disk has registered".into(),
                "no file that is larger than a few KiB can be written".into(),
                "eggsrun --dir DIR start blocks0".into(),
            ],
        ));
        return;
    }
    for (class, demand) in demands {
        match totals.classes.get(class) {
            Some(of_class) => check_domains(*class, demand, of_class, findings),
            None => findings.push(missing_class(*class)),
        }
    }
    for (class, of_class) in &totals.classes {
        let least = demands
            .get(class)
            .map_or(1, |demand| demand.hardest.blocks_min());
        check_space(*class, least, of_class, findings);
    }
}

fn missing_class(class: StorageClass) -> HealthFinding {
    finding(
        Severity::Degraded,
        "STORAGE_CLASS_MISSING",
        [
            format!("no {class} disk has registered"),
            format!("files that a policy puts on {class} go elsewhere or are refused"),
            "start an eggsblocks process with a disk directory of that class".into(),
        ],
    )
}

fn check_domains(
    class: StorageClass,
    demand: &Demand,
    totals: &ClassTotals,
    findings: &mut Vec<HealthFinding>,
) {
    let (full, least) = (demand.widest.blocks(), demand.hardest.blocks_min());
    let healthy = totals.domains_writable;
    let remedy = "eggsrun --dir DIR status; start the eggsblocks processes that are down";
    if healthy < full {
        let (severity, scheme, affects) = if healthy < least {
            (Severity::Down, demand.hardest, "cannot be written")
        } else {
            (
                Severity::Degraded,
                demand.widest,
                "have less redundancy at first",
            )
        };
        let (full, least) = (scheme.blocks(), scheme.blocks_min());
        findings.push(finding(
            severity,
            "FAILURE_DOMAINS_BELOW_SCHEME",
            [
                format!("{healthy} failure domains take {class} blocks; {scheme} wants {full}, and {least} at least"),
                format!("new files stored {scheme} on {class} {affects}"),
                remedy.into(),
            ],
        ));
    }
}

/// Also where nobody stores anything at the moment: `least` is how many failure domains a write needs.
fn check_space(
    class: StorageClass,
    least: usize,
    totals: &ClassTotals,
    findings: &mut Vec<HealthFinding>,
) {
    let healthy = totals.domains_writable;
    let space =
        "delete what is not needed (space comes back when its snapshots expire) or add disks";
    if healthy >= least && totals.domains_with_space < least {
        findings.push(finding(
            Severity::Down,
            "CLUSTER_FULL",
            [
                format!("the {class} disks are full"),
                "writes fail with ENOSPC; reading, deleting and repairing work".into(),
                space.into(),
            ],
        ));
    } else if healthy > 0
        && Fill::of(totals.capacity_bytes, totals.available_bytes) == Fill::NearlyFull
    {
        findings.push(finding(
            Severity::Degraded,
            "CLUSTER_NEARLY_FULL",
            [
                format!("less than 5 % of the {class} disks can still be written"),
                "writes will fail with ENOSPC when it is used up".into(),
                space.into(),
            ],
        ));
    }
}
