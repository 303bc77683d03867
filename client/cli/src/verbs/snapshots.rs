//! `snapshots`: old versions in a directory.

use std::ffi::OsStr;

use eggs_proto::LIST_ENTRIES_MAX;
use eggs_proto::shard::Snapshot;
use serde_json::{Value, json};

use crate::context::{Context, show, show_name};
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};
use crate::text::table::{Align, lines};
use crate::text::time::show_log;

pub(crate) async fn run(context: &Context, path: &OsStr) -> Result<Exit, Failure> {
    let dir = context
        .directory(path, "list the snapshots of")
        .await?
        .inode;
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = context.client.snapshots(dir, after, LIST_ENTRIES_MAX).await;
        let page =
            page.map_err(|error| Failure::remote("list the snapshots of", show(path), &error))?;
        after = page.snapshots.last().map(|last| last.key.clone());
        all.extend(page.snapshots);
        if !page.more || after.is_none() {
            break;
        }
    }
    all.sort_by(|a, b| (&a.key.name, a.key.created).cmp(&(&b.key.name, b.key.created)));
    let mut output = Output::new();
    match context.format {
        Format::Json => output.json(&all.iter().map(as_json).collect())?,
        Format::Text if all.is_empty() => output.line("no old versions")?,
        Format::Text => output.lines(&as_lines(&all))?,
    }
    output.finish()?;
    Ok(Exit::Fine)
}

/// In a word or two.
pub(super) fn state(snapshot: &Snapshot) -> &'static str {
    match (snapshot.collecting, snapshot.owned) {
        (true, _) => "being collected",
        (false, true) => "kept",
        (false, false) => "moved away",
    }
}

fn as_lines(all: &[Snapshot]) -> Vec<String> {
    let heading = ["NAME", "CREATED", "REMOVED", "INODE", "STATE"]
        .map(String::from)
        .to_vec();
    let row = |one: &Snapshot| {
        vec![
            show_name(&one.key.name),
            show_log(one.key.created),
            show_log(one.removed),
            one.inode.to_string(),
            state(one).to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = std::iter::once(heading)
        .chain(all.iter().map(row))
        .collect();
    lines(&[Align::Left; 5], &rows)
}

fn as_json(one: &Snapshot) -> Value {
    json!({
        "name": one.key.name.to_string(),
        "created_ms": one.key.created.0,
        "removed_ms": one.removed.0,
        "inode": one.inode.to_string(),
        "owned": one.owned,
        "state": state(one),
    })
}
