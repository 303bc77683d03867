//! Block requests over a real connection.

use std::sync::Arc;

use bytes::Bytes;
use eggs_proto::block::{BlockRefusal, BlockReply, BlockRequest, BlockResult};
use eggs_proto::{
    BLOCK_BYTES_MAX, BlockServiceId, CallError, CallResult, Checksum, MacTag, MessageKind,
    Statement, decode, encode,
};

use crate::support::{BLOCK, LONG, fixture};

fn content() -> Vec<u8> {
    (0..5 * 4096).map(|at: usize| (at / 7) as u8).collect()
}

#[tokio::test]
async fn a_block_is_written_read_checked_listed_and_erased() {
    let f = fixture();
    let bytes = content();
    let facts = f.facts(1, &bytes);
    let key = &f.services[1].1;
    let (written, _) = f.ask(f.write(1, &bytes), bytes.clone()).await.unwrap();
    let proof = key.sign(Statement::Written, &facts);
    assert_eq!(written, BlockReply::Written { proof });

    let (pages, payload) = f.ask(f.read(1, 1, 2), "").await.unwrap();
    assert_eq!(payload, bytes[4096..3 * 4096]);
    let checksums = vec![
        Checksum::of_page(BLOCK, 1, &payload[..4096]),
        Checksum::of_page(BLOCK, 2, &payload[4096..]),
    ];
    assert_eq!(pages, BlockReply::Pages { checksums });

    let service = facts.service;
    let (checked, _) = f
        .ask(
            BlockRequest::Check {
                service,
                block: BLOCK,
            },
            "",
        )
        .await
        .unwrap();
    let (checksum, size) = (facts.checksum, facts.size);
    assert_eq!(checked, BlockReply::Checked { checksum, size });

    let list = BlockRequest::List {
        service,
        after: None,
        limit: 10,
    };
    let forbidden = f.ask(list.clone(), "").await;
    assert_eq!(forbidden, Err(BlockRefusal::Forbidden));
    let (listed, _) = f.ask_as(&f.server, list, "").await.unwrap();
    let blocks = vec![(BLOCK, size)];
    assert_eq!(
        listed,
        BlockReply::Blocks {
            blocks,
            more: false
        }
    );

    let (erased, _) = f.ask(f.erase(1, &bytes), "").await.unwrap();
    let proof = key.sign(Statement::Erased, &facts);
    assert_eq!(erased, BlockReply::Erased { proof });
    assert_eq!(
        f.ask(f.read(1, 0, 1), "").await,
        Err(BlockRefusal::NotFound)
    );
    let replayed = f.ask(f.write(1, &bytes), bytes).await;
    assert_eq!(replayed, Err(BlockRefusal::WasErased));

    let metrics = f.metrics.encode();
    for line in [
        "eggs_blocks_written_bytes_total 20480",
        "eggs_blocks_read_bytes_total 8192",
        "eggs_blocks_requests_total{kind=\"write\"} 2",
        "eggs_blocks_refusals_total{reason=\"was_erased\"} 1",
        "eggs_blocks_request_seconds_count{kind=\"erase\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
    f.finish().await;
}

#[tokio::test]
async fn what_is_not_certified_is_refused_and_changes_nothing() {
    let f = fixture();
    let bytes = content();
    let mut forged = f.write(0, &bytes);
    if let BlockRequest::Write { certificate, .. } = &mut forged {
        *certificate = MacTag([1; 16]);
    }
    assert_eq!(
        f.ask(forged, bytes.clone()).await,
        Err(BlockRefusal::BadCertificate)
    );
    // The certificate of one disk, with the facts changed to name the other.
    let mut elsewhere = f.write(0, &bytes);
    if let BlockRequest::Write { facts, .. } = &mut elsewhere {
        facts.service = f.services[1].0;
    }
    assert_eq!(
        f.ask(elsewhere, bytes.clone()).await,
        Err(BlockRefusal::BadCertificate)
    );
    let other = f.ask(f.write(0, &bytes), vec![0; bytes.len()]).await;
    assert_eq!(other, Err(BlockRefusal::BadPayload));
    let shorter = f.ask(f.write(0, &bytes), bytes[..4096].to_vec()).await;
    assert_eq!(shorter, Err(BlockRefusal::BadPayload));
    let nowhere = BlockRequest::Check {
        service: BlockServiceId(7),
        block: BLOCK,
    };
    assert_eq!(f.ask(nowhere, "").await, Err(BlockRefusal::WrongService));
    for disk in 0..2 {
        assert_eq!(
            f.ask(f.read(disk, 0, 1), "").await,
            Err(BlockRefusal::NotFound)
        );
    }
    f.finish().await;
}

#[tokio::test]
async fn strange_requests_get_an_answer_and_stop_nothing() {
    let f = fixture();
    let send = |kind, body: Vec<u8>| {
        f.client
            .call(f.address, kind, LONG, body.into(), Bytes::new())
    };
    for body in [
        vec![],
        vec![99],
        vec![1; 100],
        [encode(&f.read(0, 0, 1)), vec![0]].concat(),
    ] {
        let reply = send(MessageKind::Block, body).await.unwrap();
        assert_eq!(
            decode::<BlockResult>(&reply.body).unwrap(),
            Err(BlockRefusal::Malformed)
        );
    }
    for kind in [MessageKind::Shard, MessageKind::Raft, MessageKind::Registry] {
        let reply = send(kind, encode(&f.read(0, 0, 1))).await.unwrap();
        assert_eq!(
            decode::<CallResult<u64>>(&reply.body).unwrap(),
            Err(CallError::NotHosted)
        );
    }
    let with_payload = f.ask(f.read(0, 0, 1), "surplus").await;
    assert_eq!(with_payload, Err(BlockRefusal::Malformed));
    let bytes = content();
    f.ask(f.write(0, &bytes), bytes).await.unwrap();
    for (page, pages) in [(0, 0), (0, 6), (5, 1), (u32::MAX, u32::MAX), (0, u32::MAX)] {
        let refused = f.ask(f.read(0, page, pages), "").await;
        assert_eq!(refused, Err(BlockRefusal::BadRange), "{page} {pages}");
    }
    let too_large = vec![0; BLOCK_BYTES_MAX as usize + 4096];
    let body = encode(&f.write(0, &too_large)).into();
    let payload = Bytes::from(too_large);
    let oversized = f
        .client
        .call(f.address, MessageKind::Block, LONG, body, payload);
    assert!(oversized.await.is_err());
    f.ask(f.read(0, 0, 5), "").await.unwrap();
    f.finish().await;
}

#[tokio::test]
async fn the_largest_block_goes_both_ways() {
    let f = fixture();
    let bytes = Bytes::from(vec![0x5a; BLOCK_BYTES_MAX as usize]);
    f.ask(f.write(0, &bytes), bytes.clone()).await.unwrap();
    let pages = (BLOCK_BYTES_MAX / 4096) as u32;
    let (_, payload) = f.ask(f.read(0, 0, pages), "").await.unwrap();
    assert!(payload == bytes);
    let (_, erased) = f.ask(f.erase(0, &bytes), "").await.unwrap();
    assert!(erased.is_empty());
    f.finish().await;
}

#[tokio::test]
async fn reports_and_registrations_name_every_disk() {
    let f = fixture();
    let mut expected: Vec<_> = f.services.iter().map(|(service, _)| *service).collect();
    expected.sort();
    let reported: Vec<_> = f
        .disks
        .reports()
        .iter()
        .map(|report| report.service)
        .collect();
    assert_eq!(reported, expected);
    for registration in f.disks.registrations() {
        let key = f
            .services
            .iter()
            .find(|(service, _)| *service == registration.service);
        assert_eq!(key.unwrap().1, registration.key);
    }
    f.finish().await;
}

/// More than pipes hold, and more at once than there are pipes, by somebody who does not read the answers for a while.
#[tokio::test]
async fn large_reads_come_whole_whatever_they_wait_for() {
    let f = Arc::new(fixture());
    let bytes: Bytes = (0..1500 * 4096u32)
        .map(|at| (at ^ (at >> 12)) as u8)
        .collect();
    f.ask(f.write(0, &bytes), bytes.clone()).await.unwrap();
    let reads = (0..60u32).map(|n| {
        let (f, bytes) = (f.clone(), bytes.clone());
        async move {
            let (page, pages) = (n * 7, 1500 - n * 20);
            let (reply, read) = f.ask(f.read(0, page, pages), "").await.unwrap();
            let from = page as usize * 4096;
            assert!(read == bytes[from..from + pages as usize * 4096]);
            let BlockReply::Pages { checksums } = reply else {
                panic!("{reply:?}");
            };
            let first = Checksum::of_page(BLOCK, page, &read[..4096]);
            assert_eq!((checksums.len(), checksums[0]), (pages as usize, first));
        }
    });
    let mut all = tokio::task::JoinSet::new();
    reads.for_each(|read| {
        all.spawn(read);
    });
    tokio::time::timeout(LONG, all.join_all()).await.unwrap();
    Arc::into_inner(f).unwrap().finish().await;
}
