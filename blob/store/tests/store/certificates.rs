//! Nothing is written or erased without a certificate for exactly that, and what was erased stays away.

use eggs_block_store::{EraseOrder, WriteOrder};
use eggs_proto::block::BlockRefusal;
use eggs_proto::{
    BlockFacts, BlockId, BlockServiceId, CERTIFICATE_MS, CLOCK_SKEW_MS_MAX, Checksum, MacTag,
    Statement, Time,
};

use crate::common::{NOW, content, fixture, may_erase, may_write, refusal, write};

const BLOCK: BlockId = BlockId(0x0507);

#[test]
fn a_block_comes_back_and_writing_it_again_is_fine() {
    let f = fixture();
    let bytes = content(5, 1);
    let order = write(&f.disk, BLOCK, &bytes);
    let first = f.disk.usage().unwrap();
    assert_eq!((first.blocks, first.used_bytes), (1, bytes.len() as u64));
    let again = f.disk.write(&order, &bytes, NOW).unwrap();
    assert!(
        f.disk
            .label()
            .key
            .verify(Statement::Written, &order.facts, &again)
    );
    assert_eq!(f.disk.usage().unwrap().blocks, 1);

    let f = f.reopen();
    let read = f.disk.read(BLOCK, 1, 3).unwrap();
    assert_eq!(read.bytes, bytes[4096..4 * 4096]);
    for (number, page) in read.bytes.chunks_exact(4096).enumerate() {
        let expected = Checksum::of_page(BLOCK, number as u32 + 1, page);
        assert_eq!(read.checksums[number], expected);
    }
    assert_eq!(f.disk.check(BLOCK).unwrap().checksum, order.facts.checksum);
    let usage = f.disk.usage().unwrap();
    assert_eq!((usage.blocks, usage.used_bytes), (1, bytes.len() as u64));
}

#[test]
fn a_certificate_for_anything_else_is_refused() {
    let f = fixture();
    let bytes = content(2, 1);
    let good = may_write(&f.disk, BLOCK, &bytes);
    let forged = WriteOrder {
        certificate: MacTag([7; 16]),
        ..good
    };
    let other_block = WriteOrder {
        facts: BlockFacts {
            block: BlockId(9),
            ..good.facts
        },
        ..good
    };
    let longer = WriteOrder {
        expiry: good.expiry.plus_ms(1),
        ..good
    };
    let to_erase = WriteOrder {
        certificate: may_erase(&f.disk, &good).certificate,
        ..good
    };
    for order in [forged, other_block, longer, to_erase] {
        let result = f.disk.write(&order, &bytes, NOW);
        assert_eq!(refusal(result), BlockRefusal::BadCertificate);
    }
    let elsewhere = WriteOrder {
        facts: BlockFacts {
            service: BlockServiceId(1),
            ..good.facts
        },
        ..good
    };
    let result = f.disk.write(&elsewhere, &bytes, NOW);
    assert_eq!(refusal(result), BlockRefusal::WrongService);
    let result = f.disk.write(&good, &content(2, 2), NOW);
    assert_eq!(refusal(result), BlockRefusal::BadPayload);
    let result = f.disk.write(&good, &bytes[..4096], NOW);
    assert_eq!(refusal(result), BlockRefusal::BadPayload);
    assert_eq!(f.files_below("."), [f.dir.path().join("./label")]);
}

#[test]
fn sizes_that_no_block_has_are_refused() {
    let f = fixture();
    for bytes in [vec![], vec![1; 4095], vec![1; 4097]] {
        let order = may_write(&f.disk, BLOCK, &bytes);
        let result = f.disk.write(&order, &bytes, NOW);
        assert_eq!(refusal(result), BlockRefusal::BadPayload);
    }
}

#[test]
fn a_certificate_is_good_only_in_its_time() {
    let f = fixture();
    let bytes = content(1, 1);
    let order = may_write(&f.disk, BLOCK, &bytes);
    let late = f.disk.write(&order, &bytes, order.expiry.plus_ms(1));
    assert_eq!(refusal(late), BlockRefusal::Expired);
    let earliest = Time(order.expiry.0 - CERTIFICATE_MS - CLOCK_SKEW_MS_MAX);
    let early = f.disk.write(&order, &bytes, Time(earliest.0 - 1));
    assert_eq!(refusal(early), BlockRefusal::Expired);
    f.disk.write(&order, &bytes, earliest).unwrap();
    f.disk.write(&order, &bytes, order.expiry).unwrap();
}

#[test]
fn a_shard_that_names_two_contents_alike_is_refused() {
    let f = fixture();
    write(&f.disk, BLOCK, &content(1, 1));
    let other = content(1, 2);
    let order = may_write(&f.disk, BLOCK, &other);
    let result = f.disk.write(&order, &other, NOW);
    assert_eq!(refusal(result), BlockRefusal::BadPayload);
    assert_eq!(f.disk.read(BLOCK, 0, 1).unwrap().bytes, content(1, 1));
}

#[test]
fn an_erased_block_cannot_be_replayed() {
    let f = fixture();
    let bytes = content(2, 1);
    let order = write(&f.disk, BLOCK, &bytes);
    let erase = may_erase(&f.disk, &order);
    let proof = f.disk.erase(&erase, NOW).unwrap();
    assert!(
        f.disk
            .label()
            .key
            .verify(Statement::Erased, &order.facts, &proof)
    );
    assert_eq!(refusal(f.disk.read(BLOCK, 0, 1)), BlockRefusal::NotFound);
    assert_eq!(f.disk.usage().unwrap().blocks, 0);
    assert_eq!(
        refusal(f.disk.write(&order, &bytes, NOW)),
        BlockRefusal::WasErased
    );
    assert_eq!(f.disk.erase(&erase, NOW).unwrap(), proof);

    let f = f.reopen();
    assert_eq!(
        refusal(f.disk.write(&order, &bytes, NOW)),
        BlockRefusal::WasErased
    );
    let until = order.expiry.plus_ms(CLOCK_SKEW_MS_MAX);
    assert_eq!(f.disk.sweep(until), 0);
    assert_eq!(f.disk.sweep(until.plus_ms(1)), 1);
    assert_eq!(f.files_below("gone"), [] as [std::path::PathBuf; 0]);
    let late = f.disk.write(&order, &bytes, until.plus_ms(1));
    assert_eq!(refusal(late), BlockRefusal::Expired);
}

#[test]
fn erasing_what_was_never_written_bars_it_too() {
    let f = fixture();
    let bytes = content(1, 1);
    let order = may_write(&f.disk, BLOCK, &bytes);
    f.disk.erase(&may_erase(&f.disk, &order), NOW).unwrap();
    assert_eq!(
        refusal(f.disk.write(&order, &bytes, NOW)),
        BlockRefusal::WasErased
    );
}

#[test]
fn erasing_long_after_writing_leaves_no_tombstone() {
    let f = fixture();
    let order = write(&f.disk, BLOCK, &content(1, 1));
    let later = order.expiry.plus_ms(CLOCK_SKEW_MS_MAX + 1);
    f.disk.erase(&may_erase(&f.disk, &order), later).unwrap();
    assert_eq!(f.disk.usage().unwrap().tombstones, 0);
    assert_eq!(f.files_below("gone"), [] as [std::path::PathBuf; 0]);
}

#[test]
fn erasing_needs_its_own_certificate() {
    let f = fixture();
    let order = write(&f.disk, BLOCK, &content(1, 1));
    let with_write_certificate = EraseOrder {
        certificate: order.certificate,
        ..may_erase(&f.disk, &order)
    };
    let shorter = EraseOrder {
        write_expiry: Time(0),
        ..may_erase(&f.disk, &order)
    };
    for erase in [with_write_certificate, shorter] {
        assert_eq!(
            refusal(f.disk.erase(&erase, NOW)),
            BlockRefusal::BadCertificate
        );
    }
    assert!(f.disk.check(BLOCK).is_ok());
}

#[test]
fn many_writers_and_erasers_agree_with_the_counters() {
    let f = fixture();
    std::thread::scope(|scope| {
        for worker in 0..4u64 {
            let disk = &f.disk;
            scope.spawn(move || {
                for number in 0..20 {
                    // Workers 0 and 1 write the same blocks, and so do 2 and 3.
                    let block = BlockId((number << 8) + worker / 2);
                    let bytes = content(1, number as u8);
                    let order = write(disk, block, &bytes);
                    if worker >= 2 && number % 2 == 0 {
                        let later = order.expiry.plus_ms(CLOCK_SKEW_MS_MAX + 1);
                        disk.erase(&may_erase(disk, &order), later).unwrap();
                    }
                }
            });
        }
    });
    let usage = f.disk.usage().unwrap();
    let listed = f.disk.list(None, 1000).unwrap();
    assert_eq!(usage.blocks, listed.blocks.len() as u64);
    let counted = f.reopen().disk.usage().unwrap();
    assert_eq!(
        (usage.blocks, usage.used_bytes),
        (counted.blocks, counted.used_bytes)
    );
}
