//! `ls`: a directory, or one thing.

use std::ffi::OsStr;
use std::io::IsTerminal as _;

use eggs_client::{Client, ClientError, FollowLast};
use eggs_proto::shard::ListEntry;
use eggs_proto::{Attributes, InodeId, InodeKind, LIST_ENTRIES_MAX, Name};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use crate::context::{Context, show, show_name};
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};
use crate::text::mode::{show_kind, show_mode};
use crate::text::table::{Align, lines};
use crate::text::time;

/// How much to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    Names,
    Long,
}

/// Symlinks read at the same time.
const LINKS_IN_FLIGHT: usize = 32;

struct Line {
    name: Vec<u8>,
    inode: InodeId,
    attributes: Option<Attributes>,
    target: Option<Vec<u8>>,
}

pub(crate) async fn run(context: &Context, path: &OsStr, detail: Detail) -> Result<Exit, Failure> {
    let found = context.resolve(path, FollowLast::No, "list").await?;
    let wanted = match (detail, context.format) {
        (Detail::Names, Format::Text) => Detail::Names,
        (Detail::Long, _) | (_, Format::Json) => Detail::Long,
    };
    let failed = |error: ClientError| Failure::remote("list", show(path), &error);
    let mut listed = if found.inode.is_directory() {
        list(&context.client, found.inode, wanted)
            .await
            .map_err(failed)?
    } else {
        let name = found
            .name
            .as_ref()
            .map_or(Vec::new(), |name| name.as_bytes().to_vec());
        vec![Line {
            name,
            inode: found.inode,
            attributes: Some(found.attributes),
            target: None,
        }]
    };
    if wanted == Detail::Long {
        listed = with_targets(&context.client, listed)
            .await
            .map_err(failed)?;
    }
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    let mut output = Output::new();
    match (context.format, detail) {
        (Format::Json, _) => output.json(&listed.iter().map(as_json).collect())?,
        (Format::Text, Detail::Long) => output.lines(&long(&listed))?,
        (Format::Text, Detail::Names) => {
            let terminal = std::io::stdout().is_terminal();
            for line in &listed {
                if terminal {
                    output.line(printable(&line.name))?;
                } else {
                    output.line(&line.name)?;
                }
            }
        }
    }
    output.finish()?;
    Ok(Exit::Fine)
}

async fn list(client: &Client, dir: InodeId, detail: Detail) -> Result<Vec<Line>, ClientError> {
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = match detail {
            Detail::Names => client.list(dir, after, LIST_ENTRIES_MAX).await?,
            Detail::Long => {
                client
                    .list_with_attributes(dir, after, LIST_ENTRIES_MAX)
                    .await?
            }
        };
        after = page.cursor();
        let more = page.more && after.is_some();
        listed.extend(page.entries.into_iter().map(line));
        if !more {
            return Ok(listed);
        }
    }
}

fn line(entry: ListEntry) -> Line {
    Line {
        name: entry.name.as_bytes().to_vec(),
        inode: entry.dentry.inode,
        attributes: entry.dentry.attributes,
        target: None,
    }
}

async fn with_targets(client: &Client, listed: Vec<Line>) -> Result<Vec<Line>, ClientError> {
    let read = listed.into_iter().map(|mut line| async move {
        if line.inode.kind() == InodeKind::Symlink {
            line.target = match client.read_link(line.inode).await {
                Ok(target) => Some(target),
                Err(error) if error.is_not_found() => None, // removed meanwhile
                Err(error) => return Err(error),
            };
        }
        Ok(line)
    });
    stream::iter(read)
        .buffered(LINKS_IN_FLIGHT)
        .try_collect()
        .await
}

fn printable(name: &[u8]) -> String {
    let checked = Name::new(name);
    checked.map_or_else(
        |_| String::from_utf8_lossy(name).into_owned(),
        |name| show_name(&name),
    )
}

fn long(listed: &[Line]) -> Vec<String> {
    let row = |line: &Line| {
        let target = line
            .target
            .as_deref()
            .map(|t| format!(" -> {}", String::from_utf8_lossy(t)));
        let name = printable(&line.name) + &target.unwrap_or_default();
        let kind = line.inode.kind();
        match &line.attributes {
            Some(a) => vec![
                show_mode(kind, a.mode),
                a.uid.to_string(),
                a.gid.to_string(),
                a.size.to_string(),
                time::show(a.mtime),
                name,
            ],
            None => ["?", "?", "?", "?", "?"]
                .map(String::from)
                .into_iter()
                .chain([name])
                .collect(),
        }
    };
    let rows: Vec<Vec<String>> = listed.iter().map(row).collect();
    let right = Align::Right;
    lines(
        &[Align::Left, right, right, right, Align::Left, Align::Left],
        &rows,
    )
}

fn as_json(line: &Line) -> Value {
    let mut value = json!({
        "name": String::from_utf8_lossy(&line.name),
        "inode": line.inode.to_string(),
        "kind": show_kind(line.inode.kind()),
    });
    if let Some(attributes) = &line.attributes {
        add_attributes(&mut value, attributes);
    }
    if let Some(target) = &line.target {
        value["target"] = String::from_utf8_lossy(target).into();
    }
    value
}

/// Attributes as every JSON output has them.
pub(crate) fn add_attributes(value: &mut Value, attributes: &Attributes) {
    value["size"] = attributes.size.into();
    value["physical_bytes"] = attributes.physical_bytes.into();
    value["mode"] = format!("{:04o}", attributes.mode).into();
    value["uid"] = attributes.uid.into();
    value["gid"] = attributes.gid.into();
    value["mtime"] = time::show_precise(attributes.mtime).into();
    value["ctime"] = time::show_precise(attributes.ctime).into();
    value["atime"] = time::show_precise(attributes.atime).into();
    value["created"] = time::show_precise(attributes.created).into();
}
