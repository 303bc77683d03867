//! The directory of a backup.
//!
//! ```text
//! pieces/HH/NAME     rows, named by their SHA-256
//! images/NUMBER      images; the newest has the largest number
//! lock               held by the one who writes
//! readers            held by all who read, and by the one who removes
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use eggs_proto::image::PieceId;
use rustix::fs::{FlockOperation, flock, syncfs};
use rustix::io::Errno;

use super::image::Image;
use crate::failure::{Exit, Failure};

/// The name of a piece that is being written ends with it.
pub(super) const UNFINISHED: &str = "new";

/// The file that readers lock.
const READERS: &str = "readers";

/// The directory of a backup.
pub(super) struct Store {
    dir: PathBuf,
    /// Held while it is written, or read. A copy on a medium that cannot be written may have none.
    _lock: Option<File>,
}

impl Store {
    /// For reading.
    pub(super) fn open(dir: &Path) -> Result<Self, Failure> {
        let images = dir.join("images");
        match fs::metadata(&images) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(no_backup(dir)),
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(no_backup(dir)),
            Err(error) => return Err(Failure::local("read", images.display(), &error)),
        }
        let lock = File::open(dir.join(READERS)).ok();
        if let Some(lock) = &lock {
            // No lock is no reason not to restore; whoever removes something is done soon.
            flock(lock, FlockOperation::LockShared).ok();
        }
        Ok(Self {
            dir: dir.to_owned(),
            _lock: lock,
        })
    }

    /// For writing; made if it is not there. It holds keys of disks, so it is for its owner alone.
    pub(super) fn create(dir: &Path) -> Result<Self, Failure> {
        let failed = |error| Failure::local("write to", dir.display(), &error);
        if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some())
            && !dir.join("images").is_dir()
        {
            let sentence = format!(
                "{} is not empty and no backup; give another directory",
                dir.display()
            );
            return Err(Failure::new(Exit::Failed, sentence));
        }
        for part in ["images", "pieces"] {
            let mut builder = DirBuilder::new();
            let builder = builder.recursive(true).mode(0o700);
            builder.create(dir.join(part)).map_err(failed)?;
        }
        private().open(dir.join(READERS)).map_err(failed)?;
        let lock = private().open(dir.join("lock")).map_err(failed)?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            let sentence = format!("another backup into {} is under way", dir.display());
            return Err(Failure::new(Exit::Failed, sentence));
        }
        Ok(Self {
            dir: dir.to_owned(),
            _lock: Some(lock),
        })
    }

    /// Keeps readers out as long as what is returned is held; `None` if there are any.
    pub(super) fn without_readers(&self) -> Result<Option<File>, Failure> {
        let path = self.dir.join(READERS);
        let failed = |error| Failure::local("lock", path.display(), &error);
        let lock = private().open(&path).map_err(failed)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(lock)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Where pieces are.
    pub(super) fn pieces(&self) -> PathBuf {
        self.dir.join("pieces")
    }

    fn piece_path(&self, id: PieceId) -> PathBuf {
        let name = id.to_string();
        self.pieces().join(&name[..2]).join(name)
    }

    /// A piece; the error says what is wrong with it, and names it.
    pub(super) fn read(&self, id: PieceId) -> Result<Vec<u8>, String> {
        let path = self.piece_path(id);
        let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        if PieceId::of(&bytes) != id {
            return Err(format!("{} is damaged", path.display()));
        }
        Ok(bytes)
    }

    /// Keeps a piece. It is durable once an image is written.
    pub(super) fn write(&self, id: PieceId, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.piece_path(id);
        let failed = |error| Failure::local("write", path.display(), &error);
        let dir = path.parent().expect("it is below pieces");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(failed)?;
        let unfinished = path.with_extension(UNFINISHED);
        let mut file = private().open(&unfinished).map_err(failed)?;
        file.set_len(0).map_err(failed)?;
        file.write_all(bytes).map_err(failed)?;
        fs::rename(&unfinished, &path).map_err(failed)
    }

    /// Writes an image, whole or not at all, after making all pieces durable.
    pub(super) fn publish(&self, image: &Image) -> Result<(), Failure> {
        let images = self.dir.join("images");
        let path = self.image_path(image.number);
        let failed = |error| Failure::local("write", path.display(), &error);
        let dir = File::open(&images).map_err(failed)?;
        syncfs(&dir).map_err(|error| failed(error.into()))?;
        let unfinished = images.join("unfinished");
        let mut file = private().open(&unfinished).map_err(failed)?;
        file.set_len(0).map_err(failed)?;
        file.write_all(image.encode().as_bytes()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        fs::rename(&unfinished, &path).map_err(failed)?;
        dir.sync_all().map_err(failed)
    }

    fn image_path(&self, number: u64) -> PathBuf {
        self.dir.join("images").join(format!("{number:06}"))
    }

    /// Removes images, durably.
    pub(super) fn remove_images(&self, numbers: &[u64]) -> Result<(), Failure> {
        for number in numbers {
            let path = self.image_path(*number);
            fs::remove_file(&path)
                .map_err(|error| Failure::local("remove", path.display(), &error))?;
        }
        let images = self.dir.join("images");
        let synced = File::open(&images).and_then(|dir| dir.sync_all());
        synced.map_err(|error| Failure::local("sync", images.display(), &error))
    }

    /// The numbers of all images, in order.
    pub(super) fn numbers(&self) -> Result<Vec<u64>, Failure> {
        let images = self.dir.join("images");
        let failed = |error| Failure::local("read", images.display(), &error);
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&images).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            numbers.extend(name.to_str().and_then(|name| name.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The number of the newest image.
    pub(super) fn newest(&self) -> Result<Option<u64>, Failure> {
        Ok(self.numbers()?.last().copied())
    }

    /// An image by its number, or the newest.
    pub(super) fn image(&self, number: Option<u64>) -> Result<Image, Failure> {
        let number = match number {
            Some(number) => number,
            None => self.newest()?.ok_or_else(|| no_backup(&self.dir))?,
        };
        let path = self.image_path(number);
        let text = fs::read_to_string(&path)
            .map_err(|error| Failure::local("read", path.display(), &error))?;
        Image::decode(&text).map_err(|why| {
            let sentence = format!("the image {} cannot be used: {why}", path.display());
            Failure::new(Exit::Failed, sentence)
        })
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options
}

fn no_backup(dir: &Path) -> Failure {
    let sentence = format!(
        "there is no backup in {}; `eggscli meta backup` makes one",
        dir.display()
    );
    Failure::new(Exit::Failed, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_back_and_damage_has_a_name() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("backup");
        assert!(Store::open(&dir).is_err());
        let store = Store::create(&dir).unwrap();
        assert!(Store::create(&dir).is_err(), "it is locked");
        let id = PieceId::of(b"rows");
        assert!(store.read(id).is_err());
        store.write(id, b"rows").unwrap();
        assert_eq!(store.read(id).unwrap(), b"rows");
        fs::write(store.piece_path(id), b"rose").unwrap();
        let why = store.read(id).unwrap_err();
        assert!(
            why.contains(&id.to_string()) && why.contains("damaged"),
            "{why}"
        );
        store.write(id, b"rows").unwrap();
        assert_eq!(store.read(id).unwrap(), b"rows");
        assert_eq!(store.newest().unwrap(), None);
    }

    #[test]
    fn somebody_elses_directory_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.tex"), "x").unwrap();
        assert!(Store::create(dir.path()).is_err());
    }
}
