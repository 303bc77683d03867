//! `status`: health, processes and disks. The exit code tells a script whether all is well.

use eggs_client::{Health, Statistics};
use eggs_proto::registry::Severity;
use eggs_proto::{BlockServiceInfo, ClusterMap, NodeInfo};
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};
use crate::text::disk::show_state;
use crate::text::size::show_size;
use crate::text::table::{Align, lines};
use crate::text::time::show_span;

pub(crate) async fn run(context: &Context) -> Result<Exit, Failure> {
    let client = &context.client;
    let failed = |error| Failure::remote("ask", "the registry", &error);
    let health = client.health().await.map_err(failed)?;
    let map = client.refresh_map().await.map_err(failed)?;
    let statistics = client.statistics().await.map_err(failed)?;
    let mut output = Output::new();
    match context.format {
        Format::Json => output.json(&as_json(&health, &map, &statistics))?,
        Format::Text => output.lines(&as_lines(&health, &map, &statistics))?,
    }
    output.finish()?;
    Ok(match health.severity {
        Severity::Ok => Exit::Fine,
        Severity::Degraded | Severity::Down => Exit::Degraded,
    })
}

const fn show_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "ok",
        Severity::Degraded => "degraded",
        Severity::Down => "down",
    }
}

fn as_lines(health: &Health, map: &ClusterMap, statistics: &Statistics) -> Vec<String> {
    let mut all = vec![format!("health: {}", show_severity(health.severity))];
    for finding in &health.findings {
        all.push(format!(
            "  {} ({}): {}",
            finding.code,
            show_severity(finding.severity),
            finding.what
        ));
        all.push(format!("    affects: {}", finding.affects));
        all.push(format!("    next: {}", finding.remedy));
    }
    all.push(format!(
        "files: {}, directories: {}, being written: {}, bytes: {} ({} on disks)",
        statistics.files,
        statistics.directories,
        statistics.transients,
        show_size(statistics.bytes),
        show_size(statistics.physical_bytes),
    ));
    for class in &statistics.classes {
        all.push(format!(
            "{}: {} used, {} available of {}",
            class.class,
            show_size(class.used_bytes),
            show_size(class.available_bytes),
            show_size(class.capacity_bytes),
        ));
    }
    let led = map
        .groups
        .iter()
        .filter(|group| group.leader.is_some())
        .count();
    all.push(format!(
        "groups: {led} of {} have a leader",
        map.groups.len()
    ));
    all.push(String::new());
    all.extend(nodes(map));
    all.push(String::new());
    all.extend(services(map));
    all
}

fn nodes(map: &ClusterMap) -> Vec<String> {
    let heading = ["PROCESS", "ADDRESS", "LAST SEEN", "LEADS"]
        .map(String::from)
        .to_vec();
    let row = |info: &NodeInfo| {
        let leads = map
            .groups
            .iter()
            .filter(|group| group.leader == Some(info.node))
            .count();
        vec![
            info.node.to_string(),
            info.address.clone(),
            format!("{} ago", show_span(map.time.ms_since(info.last_seen))),
            leads.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = std::iter::once(heading)
        .chain(map.nodes.iter().map(row))
        .collect();
    lines(
        &[Align::Left, Align::Left, Align::Right, Align::Right],
        &rows,
    )
}

pub(super) fn services(map: &ClusterMap) -> Vec<String> {
    let heading = [
        "BLOCK SERVICE",
        "PROCESS",
        "DOMAIN",
        "CLASS",
        "STATE",
        "USED",
        "AVAILABLE",
        "BLOCKS",
    ];
    let row = |info: &BlockServiceInfo| {
        vec![
            info.service.to_string(),
            info.node.to_string(),
            info.domain.to_string(),
            info.class.to_string(),
            show_state(info.state).to_owned(),
            show_size(info.used_bytes),
            show_size(info.available_bytes),
            info.blocks.to_string(),
        ]
    };
    let mut sorted: Vec<&BlockServiceInfo> = map.services.iter().collect();
    sorted.sort_by_key(|info| (info.domain, info.class, info.service));
    let heading = heading.map(String::from).to_vec();
    let rows: Vec<Vec<String>> = std::iter::once(heading)
        .chain(sorted.into_iter().map(row))
        .collect();
    let (left, right) = (Align::Left, Align::Right);
    lines(&[left, left, left, left, left, right, right, right], &rows)
}

/// A disk.
pub(super) fn service_json(info: &BlockServiceInfo) -> Value {
    json!({
        "service": info.service.to_string(),
        "node": info.node.to_string(),
        "failure_domain": info.domain.to_string(),
        "class": info.class.to_string(),
        "state": show_state(info.state),
        "capacity_bytes": info.capacity_bytes,
        "used_bytes": info.used_bytes,
        "available_bytes": info.available_bytes,
        "blocks": info.blocks,
    })
}

fn as_json(health: &Health, map: &ClusterMap, statistics: &Statistics) -> Value {
    let finding = |finding: &eggs_proto::registry::HealthFinding| {
        json!({
            "code": finding.code,
            "severity": show_severity(finding.severity),
            "what": finding.what,
            "affects": finding.affects,
            "remedy": finding.remedy,
        })
    };
    let node = |info: &NodeInfo| {
        json!({
            "node": info.node.to_string(),
            "address": info.address,
            "last_seen_ms_ago": map.time.ms_since(info.last_seen),
        })
    };
    let group = |(number, group): (usize, &eggs_proto::GroupInfo)| {
        json!({
            "group": eggs_proto::GroupId(number as u16).to_string(),
            "leader": group.leader.map(|leader| leader.to_string()),
            "replicas": group.replicas.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    };
    json!({
        "health": {
            "severity": show_severity(health.severity),
            "findings": health.findings.iter().map(finding).collect::<Vec<_>>(),
        },
        "epoch": map.epoch.0,
        "files": statistics.files,
        "directories": statistics.directories,
        "transients": statistics.transients,
        "bytes": statistics.bytes,
        "physical_bytes": statistics.physical_bytes,
        "classes": statistics.classes.iter().map(|class| json!({
            "class": class.class.to_string(),
            "capacity_bytes": class.capacity_bytes,
            "used_bytes": class.used_bytes,
            "available_bytes": class.available_bytes,
        })).collect::<Vec<_>>(),
        "nodes": map.nodes.iter().map(node).collect::<Vec<_>>(),
        "services": map.services.iter().map(service_json).collect::<Vec<_>>(),
        "groups": map.groups.iter().enumerate().map(group).collect::<Vec<_>>(),
    })
}
