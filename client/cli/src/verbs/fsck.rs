//! `fsck`: checks the whole file system while it is in use, and repairs what is derived.

use eggs_client::{FsckReport, FsckScope};
use eggs_proto::ShardId;
use eggs_proto::audit::{Finding, RepairStep, ShardRepair};
use serde_json::{Value, json};

use crate::context::{Context, show_name};
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};

/// What to do about findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Report,
    DryRun,
    Repair,
}

/// What the options say.
pub(crate) const fn mode(dry_run: bool, repair: bool) -> Mode {
    match (dry_run, repair) {
        (_, true) => Mode::Repair,
        (true, false) => Mode::DryRun,
        (false, false) => Mode::Report,
    }
}

/// What became of a finding.
enum Outcome {
    NotTried,
    Repaired,
    Failed(String),
}

pub(crate) async fn run(context: &Context, shard: Option<u8>, mode: Mode) -> Result<Exit, Failure> {
    let scope = match shard {
        Some(shard) => FsckScope::Shard(ShardId(shard)),
        None => FsckScope::Everything,
    };
    let report = context.client.fsck(scope).await;
    let report = report.map_err(|error| Failure::remote("check", "the file system", &error))?;
    let mut outcomes = Vec::new();
    for finding in &report.findings {
        outcomes.push(match mode {
            Mode::Repair if !finding.repair.is_empty() => {
                match context.client.repair(finding).await {
                    Ok(()) => Outcome::Repaired,
                    Err(error) => Outcome::Failed(error.to_string()),
                }
            }
            Mode::Repair | Mode::DryRun | Mode::Report => Outcome::NotTried,
        });
    }
    let mut output = Output::new();
    match context.format {
        Format::Json => output.json(&as_json(&report, &outcomes))?,
        Format::Text => output.lines(&as_lines(&report, &outcomes, mode))?,
    }
    output.finish()?;
    let repaired = |outcome: &Outcome| matches!(outcome, Outcome::Repaired);
    Ok(if outcomes.iter().all(repaired) {
        Exit::Fine
    } else {
        Exit::Degraded
    })
}

fn as_lines(report: &FsckReport, outcomes: &[Outcome], mode: Mode) -> Vec<String> {
    let mut lines = Vec::new();
    for (finding, outcome) in report.findings.iter().zip(outcomes) {
        let (code, affects) = finding.code.words();
        lines.push(format!("{code}: {}", place(finding)));
        if !finding.detail.is_empty() {
            lines.push(format!("    found: {}", finding.detail));
        }
        lines.push(format!("    affects: {affects}"));
        match (outcome, mode) {
            (Outcome::Repaired, _) => lines.push("    repaired".into()),
            (Outcome::Failed(why), _) => lines.push(format!("    not repaired: {why}")),
            (Outcome::NotTried, _) if finding.repair.is_empty() => {
                lines.push("    cannot be repaired from what is left".into());
            }
            (Outcome::NotTried, Mode::DryRun) => {
                let steps = finding.repair.iter().map(show_step);
                lines.extend(steps.map(|step| format!("    would {step}")));
            }
            (Outcome::NotTried, Mode::Report | Mode::Repair) => {
                lines.push("    next: eggscli fsck --dry-run, then --repair".into());
            }
        }
    }
    let checked = &report.checked;
    lines.push(format!(
        "{} findings; {} shards, {} inodes, {} names, {} blocks checked",
        report.findings.len(),
        checked.shards,
        checked.inodes,
        checked.names,
        checked.blocks
    ));
    if !report.unverified.is_empty() {
        let shards: Vec<String> = report.unverified.iter().map(ToString::to_string).collect();
        lines.push(format!(
            "usage counters not compared, because these shards kept changing: {}",
            shards.join(" ")
        ));
    }
    lines
}

/// What a finding is about.
fn place(finding: &Finding) -> String {
    let mut parts = Vec::new();
    if let Some(name) = &finding.name {
        parts.push(format!("{} in {}", show_name(&name.name), name.dir));
    }
    if let Some(inode) = finding.inode {
        parts.push(format!("inode {inode} on shard {}", inode.shard()));
    }
    if let Some(block) = finding.block {
        parts.push(format!("block {block}"));
    }
    if let Some(service) = finding.service {
        parts.push(format!("block service {service}"));
    }
    if parts.is_empty() {
        parts.push("a whole group".into());
    }
    parts.join(", ")
}

fn show_step(step: &RepairStep) -> String {
    match step {
        RepairStep::Shard(ShardRepair::Directory { dir }) => {
            format!("count again what is in {dir}")
        }
        RepairStep::Shard(ShardRepair::File { file }) => {
            format!("count again the extents of {file}")
        }
        RepairStep::Shard(ShardRepair::ServiceIndex { service, file }) => {
            format!("rewrite the index from block service {service} to {file}")
        }
        RepairStep::Shard(ShardRepair::DeadlineIndex { file, .. }) => {
            format!("rewrite the index of deadlines for {file}")
        }
        RepairStep::Shard(ShardRepair::Owners { file, owners }) => {
            format!("note that {} names of its shard own {file}", owners.len())
        }
        RepairStep::Shard(ShardRepair::Parent { dir, parent, .. }) => {
            format!("tell {dir} that its parent is {parent}")
        }
        RepairStep::Shard(ShardRepair::Adopt { inode, dir, .. }) => {
            format!("give {inode} a name in {dir}")
        }
        RepairStep::Shard(ShardRepair::Recount { shard, .. }) => {
            format!("count again all of shard {shard}")
        }
        RepairStep::Shard(ShardRepair::GoOn { inode }) => {
            format!("go on counting what is in {inode}")
        }
        RepairStep::Shard(ShardRepair::ForgetReport { dir, child }) => {
            format!("let {dir} forget when {child} reported")
        }
        RepairStep::Shard(ShardRepair::ReportAgain { dir }) => {
            format!("let {dir} report again")
        }
        RepairStep::Shard(ShardRepair::Carry { dir, name }) => {
            format!(
                "copy the attributes of {} in {dir} from its file",
                show_name(name)
            )
        }
        RepairStep::Parent { dir, parent, .. } => match parent {
            Some(parent) => format!("tell the coordinator that the parent of {dir} is {parent}"),
            None => format!("let the coordinator forget {dir}"),
        },
        RepairStep::Adopt { inode, .. } => format!("give {inode} a name in /lost+found"),
        RepairStep::Unlock { name, transaction } => {
            let shown = show_name(&name.name);
            format!(
                "end the lock of transaction {transaction} on {shown} in {}",
                name.dir
            )
        }
        RepairStep::Unbar { dir, transaction } => {
            format!("end the bar of transaction {transaction} on {dir}")
        }
    }
}

fn as_json(report: &FsckReport, outcomes: &[Outcome]) -> Value {
    let findings = report
        .findings
        .iter()
        .zip(outcomes)
        .map(|(finding, outcome)| {
            let (code, affects) = finding.code.words();
            let (repaired, error) = match outcome {
                Outcome::NotTried => (false, None),
                Outcome::Repaired => (true, None),
                Outcome::Failed(why) => (false, Some(why)),
            };
            json!({
                "code": code,
                "affects": affects,
                "detail": finding.detail,
                "inode": finding.inode.map(|inode| inode.to_string()),
                "shard": finding.inode.map(|inode| inode.shard().0),
                "dir": finding.name.as_ref().map(|name| name.dir.to_string()),
                "name": finding.name.as_ref().map(|name| name.name.to_string()),
                "block": finding.block.map(|block| block.to_string()),
                "service": finding.service.map(|service| service.to_string()),
                "repairable": !finding.repair.is_empty(),
                "repair": finding.repair.iter().map(show_step).collect::<Vec<_>>(),
                "repaired": repaired,
                "repair_error": error,
            })
        });
    json!({
        "clean": report.findings.is_empty(),
        "findings": findings.collect::<Vec<_>>(),
        "unverified_shards": report.unverified.iter().map(|shard| shard.0).collect::<Vec<_>>(),
        "checked": {
            "shards": report.checked.shards,
            "inodes": report.checked.inodes,
            "names": report.checked.names,
            "blocks": report.checked.blocks,
            "looks": report.checked.looks,
        },
    })
}

#[cfg(test)]
mod tests {
    use eggs_proto::audit::FindingCode;
    use eggs_proto::{InodeId, InodeKind};

    use super::*;

    fn report() -> FsckReport {
        let file = InodeId::new(InodeKind::File, ShardId(3), 1);
        let repair = RepairStep::Shard(ShardRepair::File { file });
        let derived = Finding::new(FindingCode::FileCounts, "1 kept, 2 found").of_inode(file);
        let lost = Finding::new(FindingCode::ExtentGap, "").of_inode(file);
        FsckReport {
            findings: vec![derived.repaired_by(repair), lost],
            unverified: vec![ShardId(9)],
            ..FsckReport::default()
        }
    }

    #[test]
    fn each_finding_is_one_object_with_stable_keys() {
        let outcomes = [Outcome::Repaired, Outcome::NotTried];
        let shown = as_json(&report(), &outcomes);
        assert_eq!(shown["clean"], false);
        let first = &shown["findings"][0];
        assert_eq!(first["code"], "file-counts");
        assert_eq!(first["inode"], "0x4000000000000103");
        assert_eq!(
            (&first["repairable"], &first["repaired"]),
            (&json!(true), &json!(true))
        );
        assert_eq!(shown["findings"][1]["repairable"], false);
        assert_eq!(shown["unverified_shards"], json!([9]));
    }

    #[test]
    fn a_dry_run_says_what_would_be_done() {
        let outcomes = [Outcome::NotTried, Outcome::NotTried];
        let lines = as_lines(&report(), &outcomes, Mode::DryRun).join("\n");
        assert!(lines.contains("would count again the extents of 0x4000000000000103"));
        assert!(lines.contains("cannot be repaired from what is left"));
        assert!(lines.contains("2 findings"));
    }
}
