//! Three `eggsshard` and three `eggscdc`: totals of directory trees come up to the root within seconds.

use std::time::{Duration, Instant};

use eggs_proto::cdc::CdcOperation;
use eggs_proto::shard::{Replace, ShardChange, ShardQuery, ShardReply, ShardRequest};
use eggs_proto::tree::{TreeSums, TreeTotals};
use eggs_proto::{InodeId, ProcessRole};

use crate::cluster::{ATTRIBUTES, Cluster, at};

const ROOT: InodeId = InodeId::ROOT;
/// Far above what it takes on a loaded machine.
const BOUND: Duration = Duration::from_secs(60);

fn create(dir: InodeId, name: &str) -> ShardChange {
    ShardChange::CreateFile {
        dir,
        name: at(dir, name).name,
        replace: Replace::Files,
        attributes: ATTRIBUTES,
        content: b"hello".to_vec(),
    }
}

async fn tree(c: &Cluster, dir: InodeId) -> TreeTotals {
    let query = ShardRequest::Query(ShardQuery::Tree { dir });
    match c.shard(dir.shard(), query).await {
        Ok(ShardReply::Tree(totals)) => totals,
        other => panic!("{other:?}"),
    }
}

async fn until_root_is(c: &Cluster, expected: TreeTotals) {
    let began = Instant::now();
    loop {
        let now = tree(c, ROOT).await;
        if now == expected {
            return println!("after {:?}", began.elapsed());
        }
        assert!(began.elapsed() < BOUND, "{now:?} is not {expected:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn sums(files: u64, directories: u64) -> TreeSums {
    TreeSums {
        files,
        directories,
        bytes: u128::from(files) * 5,
        physical_bytes: 0,
    }
}

#[tokio::test]
async fn totals_come_up_to_the_root_also_after_a_leader_has_gone() {
    let mut c = Cluster::start(3, 3).await;
    let a = c.mkdir(at(ROOT, "a")).await.unwrap();
    let b = c.mkdir(at(a, "b")).await.unwrap();
    c.change(b, create(b, "one")).await.unwrap();
    c.change(b, create(b, "two")).await.unwrap();
    let (current, old) = (sums(2, 2), TreeSums::default());
    until_root_is(&c, TreeTotals { current, old }).await;

    // A file of another shard, whose size has to be asked for; and an old version.
    assert_ne!(a.shard(), b.shard());
    let moved = CdcOperation::Rename {
        source: at(b, "one"),
        target: at(a, "moved"),
        replace: Replace::Files,
    };
    c.run(moved).await.unwrap();
    c.change(b, create(b, "two")).await.unwrap();
    let (current, old) = (sums(2, 2), sums(1, 0));
    until_root_is(&c, TreeTotals { current, old }).await;
    assert_eq!(tree(&c, a).await.current, sums(2, 1));

    c.stop_one(ProcessRole::Shard, 1).await;
    c.change(b, create(b, "three")).await.unwrap();
    let current = sums(3, 2);
    until_root_is(&c, TreeTotals { current, old }).await;
    // A directory takes what is in it along.
    let moved = CdcOperation::Rename {
        source: at(a, "b"),
        target: at(ROOT, "b"),
        replace: Replace::Files,
    };
    c.run(moved).await.unwrap();
    until_root_is(&c, TreeTotals { current, old }).await;
    let began = Instant::now();
    while tree(&c, a).await.current != sums(1, 0) {
        assert!(began.elapsed() < BOUND, "{:?}", tree(&c, a).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    c.stop_all().await;
}
