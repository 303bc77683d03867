//! A disk that is being made when the power goes is there afterwards, or is made anew.

use std::path::Path;

use eggs_block_store::Disk;
use eggs_forgetful::{Fate, Power, Survival, Tree};

use super::{until_the_cut, without_a_cut};
use crate::common::{DIRECT, content, write};

/// In directories that are not there either.
fn make(path: &Path) -> Result<Disk, eggs_block_store::OpenError> {
    Disk::open_or_create(&path.join("somewhere/disk"), &DIRECT)
}

#[test]
fn a_disk_is_there_as_soon_as_it_is_made() {
    let mut changes = 0;
    loop {
        let mut fate = Fate::new(Survival::Some, changes);
        let label = |path: &Path| make(path).map(|disk| disk.label().clone()).ok();
        let cut = until_the_cut(
            Tree::default(),
            Power::for_changes(changes),
            &mut fate,
            label,
        );
        let Some((tree, label, _)) = cut else { return };
        let again = |path: &Path| {
            let disk = make(path).unwrap_or_else(|error| panic!("after {changes}: {error}"));
            assert!(label.as_ref().is_none_or(|label| label == disk.label()));
            write(&disk, eggs_proto::BlockId(0x100), &content(1, 0));
        };
        without_a_cut(tree, again).unwrap();
        if label.is_some() {
            break;
        }
        changes += 1;
    }
    assert!(changes > 256, "{changes}");
}
