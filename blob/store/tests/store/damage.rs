//! Damage on the disk is seen, and never kept from the reader's checks.

use std::fs;
use std::os::unix::fs::FileExt;

use eggs_block_store::StoreError;
use eggs_proto::block::BlockRefusal;
use eggs_proto::{BlockId, Checksum};

use crate::common::{NOW, content, fixture, may_erase, may_write, refusal, write};

const BLOCK: BlockId = BlockId(0x1103);

fn flip(path: &std::path::Path, at: u64) {
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

#[test]
fn a_flipped_bit_anywhere_is_found_and_writing_again_heals_it() {
    let f = fixture();
    let bytes = content(3, 9);
    let order = write(&f.disk, BLOCK, &bytes);
    let path = f.only_block_file();
    let length = fs::metadata(&path).unwrap().len();
    assert_eq!(length, 3 * 4104 + 56);
    let spots = [0, 4096, 3 * 4096 - 1].into_iter().chain(3 * 4096..length);
    for at in spots {
        flip(&path, at);
        assert_eq!(
            refusal(f.disk.check(BLOCK)),
            BlockRefusal::Damaged,
            "byte {at}"
        );
        flip(&path, at);
        assert!(f.disk.check(BLOCK).is_ok());
    }
    flip(&path, 5000);
    let read = f.disk.read(BLOCK, 0, 3).unwrap();
    let matches: Vec<_> = read
        .bytes
        .chunks_exact(4096)
        .zip(&read.checksums)
        .zip(0..)
        .map(|((page, sum), number)| Checksum::of_page(BLOCK, number, page) == *sum)
        .collect();
    assert_eq!(
        matches,
        [true, false, true],
        "the reader sees which page is bad"
    );
    f.disk.write(&order, &bytes, NOW).unwrap();
    assert!(f.disk.check(BLOCK).is_ok());
    let read = f.disk.read(BLOCK, 0, 3).unwrap();
    assert!(read.bytes[..] == bytes[..], "the old file is read still");
    assert_eq!(f.disk.usage().unwrap().blocks, 1);
}

#[test]
fn a_file_in_the_place_of_another_is_found() {
    let f = fixture();
    let other = BlockId(0x2203);
    let bytes = content(2, 1);
    write(&f.disk, BLOCK, &bytes);
    let path = f.only_block_file();
    let kept = fs::read(&path).unwrap();
    let order = write(&f.disk, other, &bytes);
    let places = f.files_below("blocks");
    let misplaced = places.iter().find(|place| **place != path).unwrap();
    fs::write(misplaced, kept).unwrap();
    assert_eq!(refusal(f.disk.check(other)), BlockRefusal::Damaged);
    let read = f.disk.read(other, 0, 1).unwrap();
    assert_ne!(Checksum::of_page(other, 0, &read.bytes), read.checksums[0]);
    f.disk.erase(&may_erase(&f.disk, &order), NOW).unwrap();
}

#[test]
fn a_torn_file_is_damaged_and_can_be_erased() {
    let f = fixture();
    let order = write(&f.disk, BLOCK, &content(4, 1));
    let path = f.only_block_file();
    for length in [4 * 4104 + 55, 3 * 4096, 55, 0] {
        fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(length)
            .unwrap();
        assert_eq!(refusal(f.disk.check(BLOCK)), BlockRefusal::Damaged);
        assert_eq!(refusal(f.disk.read(BLOCK, 0, 1)), BlockRefusal::Damaged);
    }
    f.disk.erase(&may_erase(&f.disk, &order), NOW).unwrap();
    assert_eq!(refusal(f.disk.check(BLOCK)), BlockRefusal::NotFound);
}

#[test]
fn ranges_outside_of_the_block_are_refused() {
    let f = fixture();
    write(&f.disk, BLOCK, &content(4, 1));
    for (page, pages) in [
        (0, 0),
        (0, 5),
        (4, 1),
        (u32::MAX, 1),
        (u32::MAX, u32::MAX),
        (1, 4),
    ] {
        assert_eq!(
            refusal(f.disk.read(BLOCK, page, pages)),
            BlockRefusal::BadRange
        );
    }
    assert_eq!(
        refusal(f.disk.read(BlockId(1), 0, 1)),
        BlockRefusal::NotFound
    );
}

#[test]
fn leftovers_of_a_crash_are_removed_and_counted_nowhere() {
    let f = fixture();
    write(&f.disk, BLOCK, &content(1, 1));
    fs::write(f.dir.path().join("tmp/0000000000000001.4"), content(1, 2)).unwrap();
    fs::write(f.dir.path().join("blocks/00/not-a-block"), b"x").unwrap();
    let f = f.reopen();
    assert_eq!(f.files_below("tmp"), [] as [std::path::PathBuf; 0]);
    assert_eq!(f.disk.usage().unwrap().blocks, 1);
    assert_eq!(f.disk.list(None, 10).unwrap().blocks, [(BLOCK, 4096)]);
}

#[test]
fn a_listing_goes_through_all_blocks_in_order() {
    let f = fixture();
    let blocks: Vec<_> = (1..=25).map(|n| BlockId((n << 8) + 2)).collect();
    for block in blocks.iter().rev() {
        write(&f.disk, *block, &content(1, 0));
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = f.disk.list(after, 10).unwrap();
        seen.extend(page.blocks.iter().map(|(block, _)| *block));
        after = seen.last().copied();
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, blocks);
}

#[test]
fn a_write_that_fails_leaves_no_file_behind() {
    let f = fixture();
    for slot in std::fs::read_dir(f.dir.path().join("blocks")).unwrap() {
        std::fs::remove_dir(slot.unwrap().path()).unwrap();
    }
    let bytes = content(3, 1);
    let order = may_write(&f.disk, BLOCK, &bytes);
    let failed = f.disk.write(&order, &bytes, NOW);
    assert!(matches!(failed, Err(StoreError::Io { .. })), "{failed:?}");
    assert_eq!(f.files_below("tmp"), Vec::<std::path::PathBuf>::new());
    assert_eq!(f.disk.usage().unwrap().io_errors, 1);
}
