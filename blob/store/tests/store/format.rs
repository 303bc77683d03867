//! The bytes of a block file are pinned, and no other bytes are taken for one.

use eggs_block_store::{FOOTER_BYTES, Footer, data_bytes, trailer};
use eggs_proto::{BLOCK_BYTES_MAX, BlockId, Checksum};
use expect_test::expect;
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

use crate::common::{content, fixture, write};

#[test]
fn the_file_of_a_block() {
    let f = fixture();
    let bytes = vec![0xa5; 2 * 4096];
    write(&f.disk, BlockId(0x0102_0304_0506_0708), &bytes);
    let path = f.only_block_file();
    let place = path
        .strip_prefix(f.dir.path())
        .unwrap()
        .display()
        .to_string();
    let file = std::fs::read(&path).unwrap();
    assert_eq!(file[..8192], bytes);
    let rows: Vec<String> = file[8192..]
        .chunks(8)
        .map(|row| row.iter().map(|byte| format!("{byte:02x}")).collect())
        .collect();
    expect![[r#"
        blocks/d9/0102030405060708
        3159944fa59e8af8
        47c11b485abc561d
        45474753424c4b0a
        0100000000000000
        0807060504030201
        0020000000000000
        0f02878e1617913d
        0b05a148bd9023c5
        c336863e8d13fa17
    "#]]
    .assert_eq(&format!("{place}\n{}\n", rows.join("\n")));
}

proptest! {
    #[test]
    fn a_footer_comes_back(block: u64, size: u64, checksum: u64, sums: u64, bit in 0..FOOTER_BYTES * 8) {
        let footer = Footer {
            block: BlockId(block),
            size,
            checksum: Checksum(checksum),
            sums: Checksum(sums),
        };
        let mut bytes = footer.encode();
        prop_assert_eq!(Footer::decode(&bytes), Ok(footer));
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Footer::decode(&bytes).is_err());
    }

    #[test]
    fn the_size_follows_from_the_length(pages in 1..=BLOCK_BYTES_MAX / 4096, off in 1u64..4104) {
        let length = pages * 4104 + 56;
        prop_assert_eq!(data_bytes(length), Some(pages * 4096));
        prop_assert_eq!(data_bytes(length + off), None);
    }

    #[test]
    fn no_length_is_too_strange(length: u64) {
        if let Some(size) = data_bytes(length) {
            prop_assert!(size > 0 && size <= BLOCK_BYTES_MAX && size.is_multiple_of(4096));
        }
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), FOOTER_BYTES)) {
        prop_assert!(Footer::decode(&bytes.try_into().unwrap()).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))] // each makes a disk

    #[test]
    fn blocks_come_back(pages in 1usize..12, seed: u8, block: u64) {
        let f = fixture();
        let bytes = content(pages, seed);
        write(&f.disk, BlockId(block), &bytes);
        let read = f.disk.read(BlockId(block), 0, pages as u32).unwrap();
        prop_assert_eq!(&read.bytes[..], &bytes[..]);
        let (tail, checksum) = trailer(BlockId(block), &bytes);
        prop_assert_eq!(checksum, Checksum::of_block(&bytes));
        prop_assert_eq!(tail.len(), pages * 8 + FOOTER_BYTES);
    }
}
