//! `put`: a local file into the cluster. It appears whole or not at all.

use std::ffi::OsStr;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use eggs_client::{FileWriter, FollowLast, NewEntry};
use eggs_proto::shard::Replace;
use eggs_proto::{AttributeChange, FileTime, Name, NewAttributes};
use serde_json::json;
use tokio::io::AsyncReadExt as _;

use crate::context::{Context, attributes, show};
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};
use crate::progress::Progress;

/// Bytes read from the local file at once.
const READ_BYTES: usize = 2 << 20;

pub(crate) async fn run(context: &Context, local: &Path, path: &OsStr) -> Result<Exit, Failure> {
    let place = destination(context, path, local.file_name()).await?;
    let source = Source::open(local).await?;
    let note = place.name.to_string();
    let mut writer = context.client.create(place.dir, source.attributes, &note);
    let copied = copy(source, local, path, &mut writer).await;
    let linked = match copied {
        Ok(()) => {
            let change = AttributeChange::default();
            let linked = writer.link(&place.name, Replace::Files, change).await;
            linked.map_err(|error| Failure::remote("write", show(path), &error))
        }
        Err(failure) => Err(failure),
    };
    let size = writer.len();
    let linked = match linked {
        Ok(linked) => linked,
        Err(failure) => {
            // The failure matters; an abandoned transient file goes by itself.
            let _ = writer.scrap().await;
            return Err(failure);
        }
    };
    if context.format == Format::Json {
        let mut output = Output::new();
        output.json(&json!({ "inode": linked.inode.to_string(), "size": size }))?;
        output.finish()?;
    }
    Ok(Exit::Fine)
}

/// Where a file goes: `path`, or below it under `name` if it is a directory.
pub(crate) async fn destination(
    context: &Context,
    path: &OsStr,
    name: Option<&OsStr>,
) -> Result<NewEntry, Failure> {
    let existing = context
        .client
        .resolve(path.as_bytes(), FollowLast::Yes)
        .await;
    let failed = |error| Failure::remote("write", show(path), &error);
    let dir = match existing {
        Ok(found) if found.inode.is_directory() => found.inode,
        Ok(_) => {
            return context
                .client
                .parent_of(path.as_bytes())
                .await
                .map_err(failed);
        }
        Err(error) if error.is_not_found() => {
            let new = context
                .client
                .parent_of(path.as_bytes())
                .await
                .map_err(failed)?;
            if new.must_be_directory {
                let not_found = eggs_proto::Refusal::NotFound.into();
                return Err(Failure::remote("write into", show(path), &not_found));
            }
            return Ok(new);
        }
        Err(error) => return Err(failed(error)),
    };
    let Some(name) = name.filter(|name| *name != "-") else {
        let sentence = format!("{} is a directory; give the new file a name", show(path));
        return Err(Failure::usage(sentence));
    };
    let name = Name::new(name.as_bytes()).map_err(|error| Failure::usage(error.to_string()))?;
    Ok(NewEntry {
        dir,
        name,
        must_be_directory: false,
    })
}

/// What is copied.
struct Source {
    stream: tokio::fs::File,
    attributes: NewAttributes,
    size: Option<u64>,
}

impl Source {
    async fn open(local: &Path) -> Result<Self, Failure> {
        if local == Path::new("-") {
            let input = std::io::stdin().as_fd().try_clone_to_owned();
            let input = input.map_err(|error| Failure::local("read", "standard input", &error))?;
            return Ok(Self {
                stream: tokio::fs::File::from_std(input.into()),
                attributes: attributes(0o666),
                size: None,
            });
        }
        let failed = |error: std::io::Error| Failure::local("read", local.display(), &error);
        let mut file = tokio::fs::File::open(local).await.map_err(failed)?;
        file.set_max_buf_size(READ_BYTES);
        let metadata = file.metadata().await.map_err(failed)?;
        if metadata.is_dir() {
            let sentence = format!("{} is a directory; put takes files", local.display());
            return Err(Failure::usage(sentence));
        }
        let mtime = metadata.mtime().saturating_mul(1_000_000_000) + metadata.mtime_nsec();
        let attributes = NewAttributes {
            mode: metadata.mode() & 0o7777,
            mtime: metadata.is_file().then_some(FileTime(mtime)),
            ..attributes(0)
        };
        Ok(Self {
            stream: file,
            attributes,
            size: metadata.is_file().then_some(metadata.len()),
        })
    }
}

async fn copy(
    mut source: Source,
    local: &Path,
    path: &OsStr,
    writer: &mut FileWriter,
) -> Result<(), Failure> {
    let mut progress = Progress::new(local.display().to_string(), source.size);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = source.stream.read(&mut buffer).await;
        let count = read.map_err(|error| Failure::local("read", local.display(), &error))?;
        if count == 0 {
            return Ok(());
        }
        let written = writer.write(&buffer[..count]).await;
        written.map_err(|error| Failure::remote("write", show(path), &error))?;
        progress.add(count as u64);
    }
}
