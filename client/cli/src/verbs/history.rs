//! `history`: all versions of a path.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use eggs_client::{Client, ClientError};
use eggs_proto::shard::Snapshot;
use eggs_proto::{Attributes, InodeId, Time};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use super::snapshots::state;
use crate::context::{Context, show};
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};
use crate::text::mode::show_kind;
use crate::text::size::show_size;
use crate::text::table::{Align, lines};
use crate::text::time::show_log_ms;

/// Attributes fetched at the same time.
const IN_FLIGHT: usize = 16;

/// One version.
struct Row {
    created: Time,
    /// `None` for what has the name now.
    removed: Option<Time>,
    inode: InodeId,
    /// `None` if it is gone.
    attributes: Option<Attributes>,
    state: &'static str,
    owned: bool,
}

pub(crate) async fn run(context: &Context, path: &OsStr) -> Result<Exit, Failure> {
    let failed = |error| Failure::remote("show the history of", show(path), &error);
    let client = &context.client;
    let versions = client.versions(path.as_bytes()).await.map_err(failed)?;
    let mut rows: Vec<Row> = versions.old.iter().map(Row::old).collect();
    rows.extend(versions.current.map(|dentry| Row {
        created: dentry.created,
        removed: None,
        inode: dentry.inode,
        attributes: dentry.attributes,
        state: "current",
        owned: true,
    }));
    if rows.is_empty() {
        let sentence = format!("cannot show the history of {}: it has none", show(path));
        return Err(Failure::new(Exit::Failed, sentence));
    }
    let filled = stream::iter(rows.into_iter().map(|row| row.fill(client)));
    let filled = filled.buffered(IN_FLIGHT).try_collect::<Vec<Row>>().await;
    let rows = filled.map_err(failed)?;
    let mut output = Output::new();
    match context.format {
        Format::Json => output.json(&rows.iter().map(Row::as_json).collect())?,
        Format::Text => output.lines(&as_lines(&rows))?,
    }
    output.finish()?;
    Ok(Exit::Fine)
}

impl Row {
    fn old(snapshot: &Snapshot) -> Self {
        Self {
            created: snapshot.key.created,
            removed: Some(snapshot.removed),
            inode: snapshot.inode,
            attributes: None,
            state: state(snapshot),
            owned: snapshot.owned,
        }
    }

    async fn fill(mut self, client: &Client) -> Result<Self, ClientError> {
        if self.attributes.is_none() {
            self.attributes = match client.stat(self.inode).await {
                Ok(attributes) => Some(attributes),
                Err(error) if error.is_not_found() => None,
                Err(error) => return Err(error),
            };
        }
        Ok(self)
    }

    fn as_json(&self) -> Value {
        json!({
            "created_ms": self.created.0,
            "removed_ms": self.removed.map(|time| time.0),
            "kind": show_kind(self.inode.kind()),
            "size": self.attributes.map(|attributes| attributes.size),
            "inode": self.inode.to_string(),
            "owned": self.owned,
            "collecting": self.state == "being collected",
            "state": self.state,
        })
    }
}

fn as_lines(rows: &[Row]) -> Vec<String> {
    let heading = ["CREATED", "REMOVED", "KIND", "SIZE", "INODE", "STATE"]
        .map(String::from)
        .to_vec();
    let row = |row: &Row| {
        let size = row.attributes.map(|attributes| show_size(attributes.size));
        vec![
            show_log_ms(row.created),
            row.removed.map_or("-".to_owned(), show_log_ms),
            show_kind(row.inode.kind()).to_owned(),
            size.unwrap_or("gone".to_owned()),
            row.inode.to_string(),
            row.state.to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = std::iter::once(heading)
        .chain(rows.iter().map(row))
        .collect();
    let align = [
        Align::Left,
        Align::Left,
        Align::Left,
        Align::Right,
        Align::Left,
        Align::Left,
    ];
    lines(&align, &rows)
}

#[cfg(test)]
mod tests {
    use eggs_proto::shard::SnapshotKey;
    use eggs_proto::{InodeKind, Name, NameHash, ShardId};

    use super::*;

    #[test]
    fn a_row_says_when_and_what() {
        let snapshot = Snapshot {
            key: SnapshotKey {
                hash: NameHash(1),
                name: Name::new("f").unwrap(),
                created: Time(1_795_359_845_007),
            },
            removed: Time(1_795_359_846_000),
            inode: InodeId::new(InodeKind::File, ShardId(0), 1),
            owned: true,
            collecting: true,
        };
        let row = Row::old(&snapshot);
        let shown = as_lines(std::slice::from_ref(&row)).remove(1);
        let times = "2026-11-22T15:04:05.007Z  2026-11-22T15:04:06.000Z  file";
        assert!(shown.starts_with(times), "{shown}");
        assert!(
            shown.contains("gone") && shown.ends_with("being collected"),
            "{shown}"
        );
        let json = row.as_json();
        assert_eq!(
            (&json["size"], &json["owned"]),
            (&Value::Null, &true.into())
        );
        assert_eq!(json["collecting"], true);
    }
}
