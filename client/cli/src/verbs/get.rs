//! `get`: a file out of the cluster. The local file appears whole or not at all.

use std::ffi::OsStr;
use std::fs::{File, FileTimes, Permissions};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use eggs_client::Resolved;
use serde_json::json;

use super::cat::{self, READ_BYTES};
use crate::context::{Context, show};
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};
use crate::progress::Progress;
use crate::text::time::When;

pub(crate) async fn run(
    context: &Context,
    path: &OsStr,
    version: Option<When>,
    local: &Path,
) -> Result<Exit, Failure> {
    let found = cat::find(context, path, version).await?;
    let opened = context.client.open(found.inode).await;
    let reader = opened.map_err(|error| Failure::remote("read", show(path), &error))?;
    let mut output = Output::new();
    if local == Path::new("-") {
        cat::copy(&reader, path, &mut output).await?;
        output.finish()?;
        return Ok(Exit::Fine);
    }
    let target = target(local, &found);
    let mut copy = Copy::begin(&target)?;
    let mut progress = Progress::new(show(path), Some(reader.size()));
    let mut at = 0;
    while at < reader.size() {
        let read = reader.read_at(at, READ_BYTES).await;
        let bytes = read.map_err(|error| Failure::remote("read", show(path), &error))?;
        at += bytes.len() as u64;
        copy.write(&bytes)?;
        progress.add(bytes.len() as u64);
    }
    drop(progress);
    copy.finish(&found)?;
    if context.format == Format::Json {
        output.json(&json!({ "local": target.display().to_string(), "size": at }))?;
    }
    output.finish()?;
    Ok(Exit::Fine)
}

fn target(local: &Path, found: &Resolved) -> PathBuf {
    match &found.name {
        Some(name) if local.is_dir() => local.join(OsStr::from_bytes(name.as_bytes())),
        Some(_) | None => local.to_owned(),
    }
}

/// A local file being written under another name. Dropping it removes it.
struct Copy {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
    finished: bool,
}

impl Copy {
    fn begin(target: &Path) -> Result<Self, Failure> {
        let name = target.file_name().unwrap_or(OsStr::new("file"));
        let mut hidden = OsStr::new(".").to_owned();
        hidden.push(name);
        hidden.push(format!(".eggscli-{}", std::process::id()));
        let temporary = target.with_file_name(hidden);
        let file = File::create_new(&temporary);
        Ok(Self {
            file: file.map_err(|error| Failure::local("write", target.display(), &error))?,
            temporary,
            target: target.to_owned(),
            finished: false,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| self.failed(&error))
    }

    fn finish(mut self, found: &Resolved) -> Result<(), Failure> {
        let nanos = u64::try_from(found.attributes.mtime.0).unwrap_or(0);
        let modified = SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos);
        let mode = Permissions::from_mode(found.attributes.mode & 0o777);
        let done = self
            .file
            .set_permissions(mode)
            .and_then(|()| self.file.set_times(FileTimes::new().set_modified(modified)))
            .and_then(|()| self.file.sync_all())
            .and_then(|()| std::fs::rename(&self.temporary, &self.target));
        done.map_err(|error| self.failed(&error))?;
        self.finished = true;
        Ok(())
    }

    fn failed(&self, error: &std::io::Error) -> Failure {
        Failure::local("write", self.target.display(), error)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if !self.finished {
            let _ = std::fs::remove_file(&self.temporary); // already failing: nothing more to say
        }
    }
}
