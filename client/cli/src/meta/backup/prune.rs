//! `meta backup --keep`: older images go, and with them what no other image names.
//!
//! **Invariant:** a piece goes only when all images that are left were read and none of them names it. Images go first, and for
//! certain: whoever is interrupted leaves pieces that nobody names, as an interrupted backup does, for the next one to remove.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use eggs_proto::image::PieceId;

use super::image::Image;
use super::store::{Store, UNFINISHED};
use crate::failure::{Exit, Failure};

/// What went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pruned {
    pub(super) images: u64,
    pub(super) pieces: u64,
    /// Of the pieces.
    pub(super) bytes: u64,
}

/// Keeps the newest images, so many; `None` if somebody reads the backup, and nothing goes.
pub(super) fn prune(store: &Store, keep: NonZeroU64) -> Result<Option<Pruned>, Failure> {
    let Some(_alone) = store.without_readers()? else {
        return Ok(None);
    };
    let numbers = store.numbers()?;
    let keep = usize::try_from(keep.get()).unwrap_or(usize::MAX);
    let (old, left) = numbers.split_at(numbers.len().saturating_sub(keep));
    let mut named = BTreeSet::new();
    for number in left {
        named.extend(names(&store.image(Some(*number))?)?);
    }
    store.remove_images(old)?;
    let mut pruned = Pruned {
        images: old.len() as u64,
        ..Pruned::default()
    };
    for path in files_below(&store.pieces())? {
        if is_needed(&path, &named) {
            continue;
        }
        let failed = |error| Failure::local("remove", path.display(), &error);
        let bytes = fs::metadata(&path).map_err(failed)?.len();
        fs::remove_file(&path).map_err(failed)?;
        pruned.pieces += 1;
        pruned.bytes += bytes;
    }
    Ok(Some(pruned))
}

fn names(image: &Image) -> Result<Vec<PieceId>, Failure> {
    let pieces = image.groups.iter().flat_map(|group| &group.pieces);
    let names: Result<_, String> = pieces.map(super::image::Piece::name).collect();
    names.map_err(|why| Failure::new(Exit::Failed, format!("image {}: {why}", image.number)))
}

/// Whether a file is a piece that is named, or not one of ours.
fn is_needed(path: &Path, named: &BTreeSet<PieceId>) -> bool {
    let stem = path.file_stem().and_then(OsStr::to_str);
    let Some(id) = stem.and_then(|stem| stem.parse::<PieceId>().ok()) else {
        return true;
    };
    match path.extension() {
        None => named.contains(&id),
        Some(extension) => extension != UNFINISHED,
    }
}

/// Files in the directories of a directory.
fn files_below(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for part in entries(dir)? {
        if part.is_dir() {
            files.extend(entries(&part)?);
        }
    }
    files.retain(|path| path.is_file());
    Ok(files)
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error| Failure::local("read", dir.display(), &error);
    let entries = fs::read_dir(dir).map_err(failed)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    paths.collect::<Result<_, _>>().map_err(failed)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::image::{FORMAT, GroupImage};
    use super::*;

    /// A backup with an image for each list of pieces.
    fn backup(images: &[&[&[u8]]]) -> (TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(&dir.path().join("backup")).unwrap();
        for (at, pieces) in images.iter().enumerate() {
            let group = |rows: &&[u8]| {
                let id = PieceId::of(rows);
                store.write(id, rows).unwrap();
                GroupImage::of_piece(id.to_string(), rows.len() as u64)
            };
            let image = Image {
                format: FORMAT,
                number: 1 + at as u64,
                cluster: String::new(),
                time_ms: 0,
                groups: pieces.iter().map(group).collect(),
                disks: vec![],
            };
            store.publish(&image).unwrap();
        }
        (dir, store)
    }

    fn keep(store: &Store, images: u64) -> Option<Pruned> {
        prune(store, NonZeroU64::new(images).unwrap()).unwrap()
    }

    fn has(store: &Store, rows: &[u8]) -> bool {
        store.read(PieceId::of(rows)).is_ok()
    }

    const IMAGES: [&[&[u8]]; 3] = [&[b"old", b"all"], &[b"middle", b"all"], &[b"new", b"all"]];

    #[test]
    fn what_images_name_that_are_left_stays() {
        let (_dir, store) = backup(&IMAGES);
        assert_eq!(keep(&store, 9), Some(Pruned::default()));
        let one = |bytes| {
            Some(Pruned {
                images: 1,
                pieces: 1,
                bytes,
            })
        };
        assert_eq!(keep(&store, 2), one(3));
        assert_eq!(store.numbers().unwrap(), [2, 3]);
        assert!(!has(&store, b"old") && has(&store, b"middle") && has(&store, b"all"));
        assert_eq!(keep(&store, 1), one(6));
        assert!(!has(&store, b"middle") && has(&store, b"new") && has(&store, b"all"));
        assert_eq!(keep(&store, 1), Some(Pruned::default()));
    }

    #[test]
    fn what_an_interrupted_backup_or_pruning_left_goes_and_nothing_else() {
        let (_dir, store) = backup(&IMAGES);
        store.remove_images(&[1]).unwrap();
        let id = PieceId::of(b"half").to_string();
        let place = store.pieces().join("00");
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join(format!("{id}.{UNFINISHED}")), b"ha").unwrap();
        for other in ["thesis.tex", &format!("{id}.tex")] {
            fs::write(place.join(other), b"x").unwrap();
        }
        let pruned = keep(&store, 2).unwrap();
        assert_eq!((pruned.images, pruned.pieces, pruned.bytes), (0, 2, 5));
        assert_eq!(entries(&place).unwrap().len(), 2);
    }

    #[test]
    fn nothing_goes_if_an_image_that_stays_cannot_be_read_or_somebody_reads() {
        let (dir, store) = backup(&IMAGES);
        let dir = dir.path().join("backup");
        let reader = Store::open(&dir).unwrap();
        assert_eq!(keep(&store, 1), None);
        drop(reader);
        fs::write(dir.join("images/000002"), "?").unwrap();
        assert!(prune(&store, NonZeroU64::new(2).unwrap()).is_err());
        assert_eq!(store.numbers().unwrap(), [1, 2, 3]);
        assert!(has(&store, b"old"));
        // One that goes need not be read.
        assert_eq!(keep(&store, 1).map(|pruned| pruned.images), Some(2));
    }
}
