//! `write`: a text becomes a file.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt as _;

use eggs_client::ClientError;
use eggs_proto::AttributeChange;
use eggs_proto::shard::Replace;
use serde_json::json;

use super::put::destination;
use crate::context::{Context, attributes, show};
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};

/// Whether the content ends with a line feed of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineFeed {
    Added,
    AsGiven,
}

impl From<bool> for LineFeed {
    fn from(flag: bool) -> Self {
        if flag { Self::Added } else { Self::AsGiven }
    }
}

pub(crate) async fn run(
    context: &Context,
    path: &OsStr,
    text: OsString,
    line_feed: LineFeed,
) -> Result<Exit, Failure> {
    let place = destination(context, path, None).await?;
    let mut content = text.into_vec();
    if line_feed == LineFeed::Added {
        content.push(b'\n');
    }
    let note = place.name.to_string();
    let mut writer = context.client.create(place.dir, attributes(0o666), &note);
    let failed = |error: ClientError| Failure::remote("write", show(path), &error);
    writer.write(&content).await.map_err(failed)?;
    let change = AttributeChange::default();
    let linked = writer
        .link(&place.name, Replace::Files, change)
        .await
        .map_err(failed)?;
    if context.format == Format::Json {
        let mut output = Output::new();
        output.json(&json!({ "inode": linked.inode.to_string(), "size": content.len() }))?;
        output.finish()?;
    }
    Ok(Exit::Fine)
}
