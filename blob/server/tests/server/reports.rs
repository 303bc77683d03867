//! Reports of damage: a reader's word makes the service look for itself.

use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use eggs_proto::block::{BlockRefusal, BlockReply, BlockRequest, DamagedBlock};
use eggs_proto::{BlockId, InodeId};

use crate::support::{BLOCK, Fixture, LONG, fixture};

fn content() -> Vec<u8> {
    (0..5 * 4096).map(|at: usize| (at / 7) as u8).collect()
}

fn report(f: &Fixture, block: BlockId) -> BlockRequest {
    BlockRequest::Report {
        service: f.services[0].0,
        block,
        file: InodeId::ROOT,
        offset: 8192,
    }
}

async fn damaged(f: &Fixture) -> Vec<DamagedBlock> {
    // Asked of the other disk: the answer is for the whole process.
    let service = f.services[1].0;
    let request = BlockRequest::Damaged { service };
    match f.ask_as(&f.server, request, "").await {
        Ok((BlockReply::Damaged { blocks }, _)) => blocks,
        other => panic!("{other:?}"),
    }
}

/// Waits until so many reports have come to something.
async fn looked(f: &Fixture, result: &str) {
    let line = format!("eggs_blocks_damage_reports_total{{result=\"{result}\"}}");
    let began = Instant::now();
    while !f.metrics.encode().contains(&line) {
        assert!(began.elapsed() < LONG, "no {line}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn spoil(f: &Fixture) {
    let mut open = vec![f.path(0).to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(path).unwrap();
            open.extend(entries.map(|entry| entry.unwrap().path()));
        } else if path.ends_with(BLOCK.to_string()) {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.write_all_at(b"rotten", 4096).unwrap();
            return;
        }
    }
    panic!("no block file");
}

#[tokio::test]
async fn a_damaged_block_is_told_of_until_it_is_erased() {
    let f = fixture();
    let bytes = content();
    f.ask(f.write(0, &bytes), bytes.clone()).await.unwrap();
    spoil(&f);
    assert_eq!(damaged(&f).await, [], "nobody has said anything");
    let (heard, _) = f.ask(report(&f, BLOCK), "").await.unwrap();
    assert_eq!(heard, BlockReply::Noted);
    looked(&f, "found").await;
    let told = DamagedBlock {
        service: f.services[0].0,
        block: BLOCK,
        file: InodeId::ROOT,
        offset: 8192,
    };
    assert_eq!(damaged(&f).await, [told]);
    f.ask(report(&f, BLOCK), "").await.unwrap();
    looked(&f, "known").await;
    assert_eq!(damaged(&f).await, [told]);
    f.ask(f.erase(0, &bytes), "").await.unwrap();
    assert_eq!(damaged(&f).await, []);
    f.finish().await;
}

#[tokio::test]
async fn what_is_whole_is_not_believed_to_be_damaged() {
    let f = fixture();
    let bytes = content();
    f.ask(f.write(0, &bytes), bytes).await.unwrap();
    f.ask(report(&f, BLOCK), "").await.unwrap();
    looked(&f, "whole").await;
    f.ask(report(&f, BLOCK), "").await.unwrap();
    looked(&f, "known").await;
    assert_eq!(damaged(&f).await, []);
    f.finish().await;
}

#[tokio::test]
async fn a_block_that_is_gone_is_damaged_and_only_servers_hear_of_it() {
    let f = fixture();
    f.ask(report(&f, BlockId(99)), "").await.unwrap();
    looked(&f, "found").await;
    let blocks: Vec<_> = damaged(&f).await.iter().map(|told| told.block).collect();
    assert_eq!(blocks, [BlockId(99)]);
    let service = f.services[0].0;
    let asked = f.ask(BlockRequest::Damaged { service }, "").await;
    assert_eq!(asked, Err(BlockRefusal::Forbidden));
    f.finish().await;
}

#[tokio::test]
async fn a_flood_of_reports_is_refused() {
    let f = fixture();
    let mut refused = 0;
    for block in 0..500 {
        match f.ask(report(&f, BlockId(block)), "").await {
            Ok((BlockReply::Noted, _)) => {}
            Err(BlockRefusal::Overloaded) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(refused >= 500 - 64, "{refused}");
    assert!(damaged(&f).await.len() <= 64);
    f.finish().await;
}
