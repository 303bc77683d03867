//! What `eggsrun status` shows.

use std::io::Write;

use anyhow::{Result, bail};
use eggs_client::Health;
use eggs_proto::registry::Severity;
use serde_json::json;

use crate::process::{self, Condition};
use crate::{current::Current, layout::Layout, lock, ready};

/// Exit codes, the same as those of `eggscli`.
const DEGRADED: u8 = 4;
const UNREACHABLE: u8 = 5;

/// How the result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

struct Row {
    name: String,
    pid: Option<i32>,
    condition: Condition,
    kept_down: bool,
}

/// Prints the status; the result is the exit code.
pub async fn status(layout: &Layout, format: Format) -> Result<u8> {
    let Some(current) =
        Current::read(layout)?.filter(|_| lock::holder(layout).is_ok_and(|pid| pid.is_some()))
    else {
        bail!("no cluster is running in {}", layout.dir().display());
    };
    let rows: Vec<Row> = current.names.iter().map(|name| row(layout, name)).collect();
    let health = match ready::connect(layout, current.registry.clone()).await {
        Ok(client) => client.health().await.ok(),
        Err(_) => None,
    };
    match format {
        Format::Text => show(&text(layout, &current, &rows, health.as_ref())),
        Format::Json => show(&format!(
            "{:#}\n",
            document(&current, &rows, health.as_ref())
        )),
    }
    Ok(match health {
        None => UNREACHABLE,
        Some(health) if health.severity == Severity::Ok => 0,
        Some(_) => DEGRADED,
    })
}

fn row(layout: &Layout, name: &str) -> Row {
    let pid = process::living(layout, name);
    Row {
        name: name.to_string(),
        pid: pid.map(|pid| pid.as_raw_nonzero().get()),
        condition: pid.map_or(Condition::Dead, process::condition_of),
        kept_down: layout.down(name).exists(),
    }
}

fn word(health: Option<&Health>) -> &'static str {
    match health.map(|health| health.severity) {
        None => "unreachable",
        Some(Severity::Ok) => "healthy",
        Some(Severity::Degraded) => "degraded",
        Some(Severity::Down) => "down",
    }
}

/// A reader that has seen enough closes the pipe; that is no error.
fn show(text: &str) {
    std::io::stdout().write_all(text.as_bytes()).ok();
}

fn text(layout: &Layout, current: &Current, rows: &[Row], health: Option<&Health>) -> String {
    let mut lines = Vec::new();
    lines.push(format!(
        "cluster    {}: {}",
        layout.dir().display(),
        word(health)
    ));
    for finding in health.iter().flat_map(|health| &health.findings) {
        lines.push(format!(
            "           {}: {} ({})",
            finding.code, finding.what, finding.remedy
        ));
    }
    if let Some(address) = current.http.first() {
        lines.push(format!("dashboard  http://{address}/"));
    }
    if let Some(mount) = &current.mount {
        lines.push(format!("mount      {}", mount.display()));
    }
    lines.push(String::new());
    lines.push(format!("{:<10} {:>8}  STATE", "NAME", "PID"));
    for row in rows {
        let pid = row.pid.map_or("-".to_string(), |pid| pid.to_string());
        let note = if row.kept_down {
            " (killed; 'start' brings it back)"
        } else {
            ""
        };
        lines.push(format!(
            "{:<10} {pid:>8}  {}{note}",
            row.name,
            row.condition.name()
        ));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn document(current: &Current, rows: &[Row], health: Option<&Health>) -> serde_json::Value {
    let processes: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "name": row.name,
                "pid": row.pid,
                "state": row.condition.name(),
                "kept_down": row.kept_down,
            })
        })
        .collect();
    let findings: Vec<_> = health
        .iter()
        .flat_map(|health| &health.findings)
        .map(|f| json!({"code": f.code, "what": f.what, "affects": f.affects, "remedy": f.remedy}))
        .collect();
    json!({
        "health": word(health),
        "findings": findings,
        "registry": current.registry,
        "http": current.http,
        "mount": current.mount,
        "processes": processes,
    })
}
