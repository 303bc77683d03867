//! The disks that a process has served before, so that the empty place of one that is not mounted is not taken for a new disk, and a
//! disk that is broken does not keep the others from being served.
//!
//! A file for each of them in `known-disks/` below the directory of the process, under the name of its block service, with its path. Who removes the file says that
//! the disk will not come back.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use eggs_durable::{WholeFile, make_directory};
use eggs_proto::BlockServiceId;

/// A file that names a path.
const FILE_BYTES_MAX: u64 = 4096;
/// The name of one that is being written.
const UNFINISHED: &str = "unfinished";

/// What is known of former disks.
#[derive(Debug)]
pub(crate) struct KnownDisks {
    dir: PathBuf,
    /// The note of each path.
    notes: BTreeMap<PathBuf, PathBuf>,
}

impl KnownDisks {
    /// Reads what a process noted in its directory.
    pub(crate) fn read(process: &Path) -> anyhow::Result<Self> {
        let dir = process.join("known-disks");
        let context = || format!("read the notes on disks in {}", dir.display());
        make_directory(&dir).with_context(context)?;
        let mut notes = BTreeMap::new();
        for entry in fs::read_dir(&dir).with_context(context)? {
            let entry = entry.with_context(context)?;
            let found = entry.metadata().with_context(context)?;
            if entry.file_name() == UNFINISHED || !found.is_file() || found.len() > FILE_BYTES_MAX {
                continue; // not ours
            }
            let path = fs::read(entry.path()).with_context(context)?;
            notes.insert(OsString::from_vec(path).into(), entry.path());
        }
        Ok(Self { dir, notes })
    }

    /// The note about the disk that was at this path.
    pub(crate) fn note_of(&self, path: &Path) -> Option<&Path> {
        self.notes.get(path).map(PathBuf::as_path)
    }

    /// Takes note of which disk is at a path. Where that is not possible, the disk is served all the same.
    pub(crate) fn note(&mut self, path: &Path, service: BlockServiceId) {
        let note = self.dir.join(service.to_string());
        let former = self.notes.insert(path.to_owned(), note.clone());
        if former.as_ref() == Some(&note) {
            return;
        }
        // It was somewhere else until now.
        self.notes.retain(|at, other| at == path || *other != note);
        let write = || {
            let file = WholeFile {
                path: &note,
                unfinished: &self.dir.join(UNFINISHED),
                mode: 0o600,
            };
            file.write(path.as_os_str().as_bytes())?;
            // Last: rather two notes about a place than none.
            former.map_or(Ok(()), fs::remove_file)
        };
        if let Err(error) = write() {
            tracing::warn!(%error, note = %note.display(), disk = %path.display(),
                "a disk could not be noted: should it be gone at the next start, a new one is made in its place");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_known_by_their_places_until_others_take_them() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (Path::new("/disks/one"), Path::new("/disks/other"));
        let services = [1, 2, 3].map(BlockServiceId);
        let known = || KnownDisks::read(dir.path()).unwrap();
        let note = |path, service| known().note(path, service);
        let names = || -> Vec<Option<OsString>> {
            let known = known();
            let name = |path| known.note_of(path)?.file_name().map(Into::into);
            [one, other].map(name).into()
        };
        let expected = |of: [Option<usize>; 2]| -> Vec<Option<OsString>> {
            of.map(|at| Some(services[at?].to_string().into())).into()
        };
        assert_eq!(names(), [None, None]);
        fs::create_dir(dir.path().join("known-disks/not a note")).unwrap();
        note(one, services[0]);
        note(other, services[1]);
        note(one, services[0]);
        assert_eq!(names(), expected([Some(0), Some(1)]));
        // Another disk in its place, and then the first one in the place of the other.
        note(one, services[2]);
        assert_eq!(names(), expected([Some(2), Some(1)]));
        note(other, services[2]);
        assert_eq!(names(), expected([None, Some(2)]));
        fs::remove_file(known().note_of(other).unwrap()).unwrap();
        assert_eq!(names(), [None, None]);
    }
}
