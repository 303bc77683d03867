//! Slow disks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use eggs_client::{Client, FileReader};
use eggs_proto::{BlockServiceId, ExtentBody, InodeId, StorageClass};

use crate::cluster::{Cluster, get, noise, put, within};

fn slow(cluster: &Cluster, services: &[BlockServiceId]) {
    slow_by(Duration::from_secs(30), cluster, services);
}

fn slow_by(delay: Duration, cluster: &Cluster, services: &[BlockServiceId]) {
    let mut delays = cluster.world.blocks.delays.lock().unwrap();
    delays.clear();
    delays.extend(services.iter().map(|service| (*service, delay)));
}

#[tokio::test]
async fn a_read_does_not_wait_for_slow_services() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let bytes = noise(10 << 20, 2);
    let linked = put(&client, InodeId::ROOT, "f", &bytes).await;
    let extents = client.extents(linked.inode).await.unwrap();
    let ExtentBody::Blocks { blocks, .. } = &extents[0].body else {
        panic!("{extents:?}");
    };
    let services: Vec<_> = blocks.iter().map(|block| block.service).collect();
    slow(&cluster, &services[2..6]);
    let began = Instant::now();
    let reader = client.open(linked.inode).await.unwrap();
    let read = within(10, reader.read_at(0, bytes.len())).await.unwrap();
    assert!(read[..] == bytes[..]);
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    // They are remembered: the next read does not even wait for the race.
    let again = Instant::now();
    assert!(within(10, get(&client, linked.inode)).await == bytes);
    assert!(
        again.elapsed() < Duration::from_secs(4),
        "{:?}",
        again.elapsed()
    );
}

/// A file that is read again and again, and a service with data of it.
struct Reading {
    cluster: Cluster,
    bytes: Vec<u8>,
    reader: Arc<FileReader>,
    service: BlockServiceId,
}

impl Reading {
    async fn begin() -> Self {
        let cluster = Cluster::start();
        let client = cluster.client().await;
        let bytes = noise(10 << 20, 2);
        let linked = put(&client, InodeId::ROOT, "f", &bytes).await;
        let extents = client.extents(linked.inode).await.unwrap();
        let ExtentBody::Blocks { blocks, .. } = &extents[0].body else {
            panic!("{extents:?}");
        };
        let service = blocks[2].service;
        let reader = client.open(linked.inode).await.unwrap();
        Self {
            cluster,
            bytes,
            reader,
            service,
        }
    }

    async fn whole(&self) {
        let read = within(10, self.reader.read_at(0, self.bytes.len())).await;
        assert!(read.unwrap()[..] == self.bytes[..]);
    }

    /// How many pages the service was asked for since the last call, each time.
    fn asked(&self) -> Vec<u32> {
        let mut reads = self.cluster.world.blocks.reads.lock().unwrap();
        reads.remove(&self.service).unwrap_or_default()
    }

    /// Reads until the service was asked so often; what it was asked for.
    async fn until_asked(&self, times: usize) -> Vec<u32> {
        let mut asked = Vec::new();
        while asked.len() < times {
            self.whole().await;
            asked.extend(self.asked());
        }
        asked
    }

    /// Reads until the service is asked for more than a page.
    async fn until_trusted(&self) {
        within(60, async {
            while self.asked().iter().all(|pages| *pages == 1) {
                self.whole().await;
            }
        })
        .await;
    }
}

/// Tries up to three times until a service was asked for single pages only. On a machine that stalls all services are late, and then the suspected one
/// is asked, too: that says nothing.
async fn only_probed(attempt: impl AsyncFn() -> Vec<u32>) {
    let mut asked = Vec::new();
    for _ in 0..3 {
        asked = attempt().await;
        if asked.iter().all(|pages| *pages == 1) {
            return;
        }
    }
    panic!("it was trusted each time: {asked:?}");
}

/// Nothing but probes of one page comes to a service that was waited for once, until it answers one of them.
#[tokio::test]
async fn a_silent_service_is_waited_for_once_and_read_from_again_when_it_answers() {
    let reading = Reading::begin().await;
    slow(&reading.cluster, &[reading.service]);
    reading.whole().await;
    assert!(
        !reading.asked().is_empty(),
        "the file can be read without it"
    );
    // Two probes are due after one second and after three.
    let probes = reading.until_asked(2).await;
    assert_eq!(probes, [1, 1], "it was read from while it was silent");
    slow(&reading.cluster, &[]);
    reading.until_trusted().await;
}

/// A service that answers, but later than a read would wait for it, is asked for single pages only.
#[tokio::test]
async fn a_late_answer_is_no_answer_to_a_probe() {
    only_probed(async || {
        let reading = Reading::begin().await;
        let late = Duration::from_millis(1500);
        slow_by(late, &reading.cluster, &[reading.service]);
        reading.whole().await;
        reading.asked();
        // The first probe is answered before the third is due.
        reading.until_asked(3).await
    })
    .await;
}

/// A service that has no room for requests is no better than one that is silent.
#[tokio::test]
async fn a_refusal_that_may_pass_is_no_answer_to_a_probe() {
    only_probed(async || {
        let reading = Reading::begin().await;
        let overloaded = || reading.cluster.world.blocks.overloaded.lock().unwrap();
        slow(&reading.cluster, &[reading.service]);
        reading.whole().await;
        reading.asked();
        // In this order: a probe in between would be answered.
        overloaded().insert(reading.service);
        slow(&reading.cluster, &[]);
        let asked = reading.until_asked(3).await;
        overloaded().clear();
        reading.until_trusted().await;
        asked
    })
    .await;
}

#[tokio::test]
async fn a_block_that_cannot_be_written_in_time_goes_elsewhere() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let hdds: Vec<_> = {
        let map = cluster.world.shards.map.lock().unwrap();
        let hdds = map
            .services
            .iter()
            .filter(|info| info.class == StorageClass::Hdd);
        hdds.map(|info| info.service).take(2).collect()
    };
    slow(&cluster, &hdds);
    let bytes = noise(8 << 20, 4);
    let began = Instant::now();
    let linked = within(28, put(&client, InodeId::ROOT, "f", &bytes)).await;
    let took = began.elapsed();
    assert!(
        took < Duration::from_secs(4),
        "a straggler was waited for: {took:?}"
    );
    slow(&cluster, &[]);
    let extents = client.extents(linked.inode).await.unwrap();
    for extent in extents {
        let ExtentBody::Blocks { blocks, .. } = extent.body else {
            panic!("{:?}", extent.body);
        };
        assert!(blocks.iter().all(|block| !hdds.contains(&block.service)));
    }
    assert!(get(&client, linked.inode).await == bytes);
}

/// Moving a block needs a failure domain that has none of the extent.
#[tokio::test]
async fn a_slow_block_that_can_go_nowhere_is_waited_for() {
    let cluster = Cluster::with_domains(14);
    let client = cluster.client().await;
    let late = Duration::from_millis(1500);
    let hdd = {
        let map = cluster.world.shards.map.lock().unwrap();
        let hdd = |info: &&eggs_proto::BlockServiceInfo| info.class == StorageClass::Hdd;
        map.services.iter().find(hdd).unwrap().service
    };
    cluster
        .world
        .blocks
        .delays
        .lock()
        .unwrap()
        .insert(hdd, late);
    let bytes = noise(8 << 20, 4);
    let linked = within(28, put(&client, InodeId::ROOT, "f", &bytes)).await;
    let extents = client.extents(linked.inode).await.unwrap();
    let ExtentBody::Blocks { blocks, .. } = &extents[0].body else {
        panic!("{extents:?}");
    };
    assert!(blocks.iter().any(|block| block.service == hdd));
    let stored = |block: &eggs_proto::ExtentBlock| block.state == eggs_proto::BlockState::Stored;
    assert!(blocks.iter().all(stored), "{blocks:?}");
}

/// Where the blocks of a large file go, as far as anybody tried.
fn written(cluster: &Cluster) -> Vec<BlockServiceId> {
    let mut writes = cluster.world.blocks.writes.lock().unwrap();
    writes.drain().map(|(service, _)| service).collect()
}

fn some_hdd(cluster: &Cluster) -> BlockServiceId {
    let map = cluster.world.shards.map.lock().unwrap();
    let hdd = |info: &&eggs_proto::BlockServiceInfo| info.class == StorageClass::Hdd;
    map.services.iter().find(hdd).unwrap().service
}

/// Large files, until one of them has a block there.
async fn put_until_on(cluster: &Cluster, client: &Client, service: BlockServiceId) {
    let bytes = noise(2 << 20, 7);
    let mut number = 0;
    within(60, async {
        while !written(cluster).contains(&service) {
            put(client, InodeId::ROOT, &format!("until{number}"), &bytes).await;
            number += 1;
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_is_written_to_a_service_that_was_slow_once_until_it_answers() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let hdd = some_hdd(&cluster);
    slow(&cluster, &[hdd]);
    put_until_on(&cluster, &client, hdd).await;
    let bytes = noise(2 << 20, 8);
    let began = Instant::now();
    for n in 0..40 {
        put(&client, InodeId::ROOT, &format!("f{n}"), &bytes).await;
    }
    assert!(!written(&cluster).contains(&hdd), "it was tried again");
    assert!(began.elapsed() < Duration::from_secs(20));
    slow(&cluster, &[]);
    put_until_on(&cluster, &client, hdd).await;
}

/// Readers notice first, and writers need not find out by themselves.
#[tokio::test]
async fn nothing_is_written_to_a_service_from_which_a_read_was_slow() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let bytes = noise(10 << 20, 2);
    let linked = put(&client, InodeId::ROOT, "f", &bytes).await;
    let extents = client.extents(linked.inode).await.unwrap();
    let ExtentBody::Blocks { blocks, .. } = &extents[0].body else {
        panic!("{extents:?}");
    };
    let silent = blocks[2].service;
    slow(&cluster, &[silent]);
    assert!(within(10, get(&client, linked.inode)).await == bytes);
    written(&cluster);
    for n in 0..20 {
        put(&client, InodeId::ROOT, &format!("g{n}"), &bytes[..2 << 20]).await;
    }
    assert!(!written(&cluster).contains(&silent));
    slow(&cluster, &[]);
    // Nobody reads: the writers ask.
    put_until_on(&cluster, &client, silent).await;
}

#[tokio::test]
async fn a_block_that_hangs_and_can_go_nowhere_costs_redundancy_and_little_time() {
    let cluster = Cluster::with_domains(14);
    let client = cluster.client().await;
    let hdd = some_hdd(&cluster);
    slow(&cluster, &[hdd]);
    let bytes = noise(8 << 20, 4);
    let mut took = Vec::new();
    for n in 0..4 {
        let began = Instant::now();
        let linked = within(28, put(&client, InodeId::ROOT, &format!("f{n}"), &bytes)).await;
        took.push(began.elapsed());
        let extents = client.extents(linked.inode).await.unwrap();
        let ExtentBody::Blocks { blocks, .. } = &extents[0].body else {
            panic!("{extents:?}");
        };
        let stored =
            |block: &&eggs_proto::ExtentBlock| block.state == eggs_proto::BlockState::Stored;
        let stored: Vec<_> = blocks.iter().filter(stored).collect();
        assert!(stored.iter().all(|block| block.service != hdd));
        // The next files go to the other class, which has enough domains.
        assert_eq!(stored.len(), if n == 0 { 13 } else { 14 }, "{blocks:?}");
    }
    assert!(
        took[0] < Duration::from_secs(5),
        "waited for too long: {took:?}"
    );
    assert!(
        took[1..].iter().all(|took| *took < Duration::from_secs(2)),
        "waited again: {took:?}"
    );
    slow(&cluster, &[]);
    put_until_on(&cluster, &client, hdd).await;
}

#[tokio::test]
async fn with_fewer_domains_than_the_scheme_asks_for_a_write_is_degraded() {
    let cluster = Cluster::with_domains(12);
    let client = cluster.client().await;
    let bytes = noise(8 << 20, 4);
    let linked = put(&client, InodeId::ROOT, "f", &bytes).await;
    let extents = client.extents(linked.inode).await.unwrap();
    let ExtentBody::Blocks { blocks, .. } = &extents[0].body else {
        panic!("{extents:?}");
    };
    let stored = |block: &&eggs_proto::ExtentBlock| block.state == eggs_proto::BlockState::Stored;
    assert_eq!(
        (blocks.len(), blocks.iter().filter(stored).count()),
        (14, 12)
    );
    assert!(get(&client, linked.inode).await == bytes);
}
