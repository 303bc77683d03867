//! `cat`: the content of files.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;
use std::time::SystemTime;

use eggs_client::{FileReader, FollowLast, Resolved};
use serde_json::json;

use crate::context::{Context, show};
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};
use crate::text::time::{When, show_log_ms};

/// Bytes read at once.
pub(crate) const READ_BYTES: usize = 4 << 20;
/// Files larger than this do not go into a JSON text, in bytes.
const JSON_BYTES_MAX: u64 = 64 << 20;

pub(crate) async fn run(
    context: &Context,
    paths: &[OsString],
    version: Option<When>,
) -> Result<Exit, Failure> {
    let mut output = Output::new();
    let mut contents = Vec::new();
    for path in paths {
        let reader = open(context, path, version).await?;
        match context.format {
            Format::Text => copy(&reader, path, &mut output).await?,
            Format::Json => contents.push(document(&reader, path).await?),
        }
    }
    if context.format == Format::Json {
        output.json(&contents.into())?;
    }
    output.finish()?;
    Ok(Exit::Fine)
}

/// Opens a file by its path.
async fn open(
    context: &Context,
    path: &OsStr,
    version: Option<When>,
) -> Result<Arc<FileReader>, Failure> {
    let found = find(context, path, version).await?;
    let opened = context.client.open(found.inode).await;
    opened.map_err(|error| Failure::remote("read", show(path), &error))
}

/// What a path stands for, or stood for.
pub(crate) async fn find(
    context: &Context,
    path: &OsStr,
    version: Option<When>,
) -> Result<Resolved, Failure> {
    let Some(when) = version else {
        return context.resolve(path, FollowLast::Yes, "read").await;
    };
    let time = when.time(SystemTime::now());
    let failed = |error| Failure::remote("read", show(path), &error);
    let client = &context.client;
    let versions = client
        .versions_at(path.as_bytes(), time)
        .await
        .map_err(failed)?;
    let Some(inode) = versions.at(time) else {
        let sentence = format!(
            "cannot read {}: nothing had that name at {}; see `eggscli history`",
            show(path),
            show_log_ms(time)
        );
        return Err(Failure::new(Exit::Failed, sentence));
    };
    let attributes = client.stat(inode).await.map_err(failed)?;
    Ok(Resolved {
        inode,
        attributes,
        parent: versions.entry.dir,
        name: Some(versions.entry.name),
    })
}

/// Copies a whole file to the standard output.
pub(crate) async fn copy(
    reader: &FileReader,
    path: &OsStr,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut at = 0;
    while at < reader.size() {
        let read = reader.read_at(at, READ_BYTES).await;
        let bytes = read.map_err(|error| Failure::remote("read", show(path), &error))?;
        at += bytes.len() as u64;
        output.bytes(&bytes)?;
    }
    Ok(())
}

async fn document(reader: &FileReader, path: &OsStr) -> Result<serde_json::Value, Failure> {
    if reader.size() > JSON_BYTES_MAX {
        let sentence = format!(
            "cannot print {} as JSON: it is too large; leave out --json",
            show(path)
        );
        return Err(Failure::new(Exit::Failed, sentence));
    }
    let read = reader.read_at(0, reader.size() as usize).await;
    let bytes = read.map_err(|error| Failure::remote("read", show(path), &error))?;
    let (encoding, content) = match std::str::from_utf8(&bytes) {
        Ok(text) => ("utf-8", text.to_owned()),
        Err(_) => (
            "hex",
            bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        ),
    };
    Ok(json!({
        "path": show(path),
        "size": bytes.len(),
        "encoding": encoding,
        "content": content,
    }))
}
