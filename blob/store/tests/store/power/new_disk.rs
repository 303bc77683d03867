//! A disk that is being made when the power goes is there afterwards, or is made anew.

use std::path::Path;

use eggs_block_store::{Disk, OpenError};
use eggs_forgetful::{Fate, Power, Survival, Tree};
use eggs_proto::BlockId;

use super::{with_power, without_a_cut};
use crate::common::{DIRECT, content, write};

/// Directories that a disk consists of.
const DIRECTORIES: u64 = 256;

/// In directories that are not there either.
fn make(path: &Path) -> Result<Disk, OpenError> {
    Disk::open_or_create(&path.join("somewhere/disk"), &DIRECT)
}

#[test]
fn a_disk_is_there_as_soon_as_it_is_made() {
    for changes in 0.. {
        let label = |path: &Path| make(path).map(|disk| disk.label().clone()).ok();
        let cut = with_power(Tree::default(), Power::for_changes(changes), label);
        let Some((cut, label)) = cut else { return };
        // Most of it is one directory after the other; what comes at last is looked at closely.
        let seeds = if changes < DIRECTORIES { 1 } else { 30 };
        for seed in 0..seeds {
            let left = cut.survivor(&mut Fate::new(Survival::Some, changes << 8 | seed));
            let again = |path: &Path| {
                let disk = make(path).unwrap_or_else(|error| panic!("after {changes}: {error}"));
                assert!(label.as_ref().is_none_or(|label| label == disk.label()));
                write(&disk, BlockId(0x100), &content(1, 0));
            };
            without_a_cut(left, again).unwrap();
        }
        if label.is_some() {
            assert!(changes > DIRECTORIES, "{changes}");
            break;
        }
    }
}
