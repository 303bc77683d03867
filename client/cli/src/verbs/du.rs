//! `du`: what is below a path, and what its old versions hold.

use std::ffi::OsStr;

use eggs_client::{FollowLast, Resolved};
use eggs_proto::tree::{TreeSums, TreeTotals};
use serde_json::{Value, json};

use crate::context::{Context, show};
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};
use crate::text::size::show_size;

pub(crate) async fn run(context: &Context, path: &OsStr) -> Result<Exit, Failure> {
    let doing = "count what is below";
    let found = context.resolve(path, FollowLast::Yes, doing).await?;
    let totals = if found.inode.is_directory() {
        let totals = context.client.tree(found.inode).await;
        totals.map_err(|error| Failure::remote(doing, show(path), &error))?
    } else {
        of_file(&found)
    };
    let mut output = Output::new();
    match context.format {
        Format::Json => output.json(&as_json(&totals))?,
        Format::Text => output.lines(&as_lines(&totals))?,
    }
    output.finish()?;
    Ok(Exit::Fine)
}

fn of_file(found: &Resolved) -> TreeTotals {
    let current = TreeSums {
        files: 1,
        directories: 0,
        bytes: u128::from(found.attributes.size),
        physical_bytes: u128::from(found.attributes.physical_bytes),
    };
    TreeTotals {
        current,
        old: TreeSums::default(),
    }
}

fn small(bytes: u128) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn line(label: &str, sums: &TreeSums) -> String {
    format!(
        "{label}: {} in {} files and {} directories, {} on disks",
        show_size(small(sums.bytes)),
        sums.files,
        sums.directories,
        show_size(small(sums.physical_bytes))
    )
}

fn as_lines(totals: &TreeTotals) -> Vec<String> {
    vec![
        line("current", &totals.current),
        line("old versions", &totals.old),
    ]
}

fn as_json(totals: &TreeTotals) -> Value {
    let sums = |sums: &TreeSums| {
        json!({
            "files": sums.files,
            "directories": sums.directories,
            "bytes": small(sums.bytes),
            "physical_bytes": small(sums.physical_bytes),
        })
    };
    json!({ "current": sums(&totals.current), "old_versions": sums(&totals.old) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_seen_and_what_is_old_are_told_apart() {
        let current = TreeSums {
            files: 2,
            directories: 1,
            bytes: 4096,
            physical_bytes: u128::MAX,
        };
        let old = TreeSums::default();
        let totals = TreeTotals { current, old };
        let shown = as_json(&totals);
        assert_eq!(shown["current"]["files"], 2);
        assert_eq!(shown["current"]["physical_bytes"], u64::MAX);
        assert_eq!(shown["old_versions"]["bytes"], 0);
        assert_eq!(as_lines(&totals).len(), 2);
    }
}
