//! Healing of lost, damaged and missing blocks.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt as _;
use std::time::Instant;

use eggs_client::{Client, ClientError};
use eggs_proto::{
    BlockServiceId, BlockState, Extent, ExtentBlock, ExtentBody, InodeId, ProcessRole, Refusal,
    ServiceState,
};

use crate::cluster::{Cluster, get, noise, put, within};

const MIB: usize = 1 << 20;

fn blocks(extent: &Extent) -> &[ExtentBlock] {
    match &extent.body {
        ExtentBody::Blocks { blocks, .. } => blocks,
        ExtentBody::Inline(_) | ExtentBody::Hole => &[],
    }
}

/// Positions of blocks that are bad by some measure.
fn positions(extent: &Extent, bad: impl Fn(&ExtentBlock) -> bool) -> Vec<u8> {
    let numbered = (0u8..).zip(blocks(extent));
    numbered
        .filter(|(_, block)| bad(block))
        .map(|(at, _)| at)
        .collect()
}

async fn heal_all(healer: &Client, file: InodeId, bad: impl Fn(&ExtentBlock) -> bool) -> u64 {
    let mut healed = 0;
    for extent in healer.extents(file).await.unwrap() {
        let indexes = positions(&extent, &bad);
        if !indexes.is_empty() {
            healed += healer
                .heal_extent(file, &extent, &indexes)
                .await
                .unwrap()
                .blocks;
        }
    }
    healed
}

fn services_of(cluster: &Cluster, domains: &[u32]) -> BTreeSet<BlockServiceId> {
    let map = cluster.world.shards.map.lock().unwrap();
    let lost = map
        .services
        .iter()
        .filter(|info| domains.contains(&info.domain.0));
    lost.map(|info| info.service).collect()
}

fn set_state(cluster: &Cluster, services: &BTreeSet<BlockServiceId>, state: ServiceState) {
    let mut map = cluster.world.shards.map.lock().unwrap();
    for info in &mut map.services {
        if services.contains(&info.service) {
            info.state = state;
        }
    }
    map.epoch.0 += 1;
}

#[tokio::test]
async fn after_healing_as_many_failure_domains_can_be_lost_again() {
    let mut cluster = Cluster::start();
    let client = cluster.client().await;
    let mut files = Vec::new();
    for (i, size) in [10_000, 500_000, 25 * MIB].into_iter().enumerate() {
        let bytes = noise(size, i as u64);
        let linked = put(&client, InodeId::ROOT, &format!("f{i}"), &bytes).await;
        let reader = client.open(linked.inode).await.unwrap();
        reader.read_at(0, 100).await.unwrap(); // it knows where the blocks are
        files.push((linked.inode, bytes, reader));
    }
    let healer = cluster.server().await;
    let lose = async |cluster: &mut Cluster, domains: &[u32]| {
        for domain in domains {
            cluster.kill(ProcessRole::Blocks, *domain).await;
        }
    };
    lose(&mut cluster, &[2, 3]).await;
    let lost = services_of(&cluster, &[2, 3]);
    set_state(&cluster, &lost, ServiceState::Decommissioned);
    healer.refresh_map().await.unwrap();
    for (inode, ..) in &files {
        let is_lost = |block: &ExtentBlock| lost.contains(&block.service);
        within(60, heal_all(&healer, *inode, is_lost)).await;
        for extent in client.extents(*inode).await.unwrap() {
            assert!(positions(&extent, is_lost).is_empty());
        }
    }
    // Six failure domains in all, which is more than the parity of any file.
    lose(&mut cluster, &[7, 11, 12, 13]).await;
    for (inode, bytes, reader) in &files {
        assert!(within(20, get(&client, *inode)).await == *bytes);
        let part = within(20, reader.read_at(1000, 5000)).await.unwrap();
        assert_eq!(part[..], bytes[1000..6000], "with what it knew before");
    }
}

#[tokio::test]
async fn damaged_and_removed_blocks_are_whole_elsewhere_afterwards() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let healer = cluster.server().await;
    let bytes = noise(3 * MIB, 5);
    let file = put(&client, InodeId::ROOT, "f", &bytes).await.inode;
    let before = client.extents(file).await.unwrap().remove(0);
    let path = |i: usize| {
        let block = blocks(&before)[i];
        cluster.world.blocks.file(block.service, block.block)
    };
    let rotten = std::fs::File::options().write(true).open(path(0)).unwrap();
    rotten.write_all_at(b"rotten", 5000).unwrap();
    std::fs::remove_file(path(1)).unwrap();
    let other = std::fs::File::options().write(true).open(path(2)).unwrap();
    other.write_all_at(b"rotten", 9000).unwrap();
    // The third is rotten, too, and is a source: it is decoded around.
    let healed = within(20, healer.heal_extent(file, &before, &[0, 1])).await;
    assert_eq!(healed.unwrap().blocks, 2);
    let after = client.extents(file).await.unwrap().remove(0);
    for index in 0..blocks(&before).len() {
        let (old, new) = (&blocks(&before)[index], &blocks(&after)[index]);
        assert_eq!(old.block == new.block, index > 1);
        assert_eq!(new.checksum, old.checksum);
    }
    for new in &blocks(&after)[..2] {
        let disk = &cluster.world.blocks.disks[&new.service].0;
        assert_eq!(disk.check(new.block).unwrap().checksum, new.checksum);
    }
    assert!(within(20, get(&client, file)).await == bytes);
    let again = healer.heal_extent(file, &before, &[0]).await;
    assert_eq!(again, Err(ClientError::Refused(Refusal::Changed)));
}

/// Whoever has a file open learns where a block of it is by now, and does not go on asking where it was.
#[tokio::test]
async fn an_open_file_is_read_from_where_its_blocks_were_healed_to() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let bytes = noise(3 * MIB, 5);
    let file = put(&client, InodeId::ROOT, "f", &bytes).await.inode;
    let reader = client.open(file).await.unwrap();
    let whole = || within(10, reader.read_at(0, bytes.len()));
    let before = client.extents(file).await.unwrap().remove(0);
    let old = blocks(&before)[1];
    // Its file would stay open if it had been read.
    std::fs::remove_file(cluster.world.blocks.file(old.service, old.block)).unwrap();
    let healer = cluster.server().await;
    let healed = within(20, healer.heal_extent(file, &before, &[1])).await;
    assert_eq!(healed.unwrap().blocks, 1);
    let after = client.extents(file).await.unwrap().remove(0);
    let new = blocks(&after)[1];
    assert_ne!(old.service, new.service);
    let reads = |service| {
        let mut reads = cluster.world.blocks.reads.lock().unwrap();
        reads.remove(&service).unwrap_or_default().len()
    };
    reads(new.service);
    within(20, async {
        while reads(new.service) == 0 {
            assert!(whole().await.unwrap()[..] == bytes[..]);
        }
    })
    .await;
    reads(old.service);
    assert!(whole().await.unwrap()[..] == bytes[..]);
    assert_eq!((reads(old.service), reads(new.service)), (0, 1));
}

/// While a block is gone and nobody has healed it, asking where it is by now would help nobody.
#[tokio::test]
async fn a_block_that_is_gone_costs_readers_few_questions() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let bytes = noise(3 * MIB, 5);
    let file = put(&client, InodeId::ROOT, "f", &bytes).await.inode;
    let reader = client.open(file).await.unwrap();
    let before = client.extents(file).await.unwrap().remove(0);
    let gone = blocks(&before)[1];
    std::fs::remove_file(cluster.world.blocks.file(gone.service, gone.block)).unwrap();
    let read_from = || {
        let mut reads = cluster.world.blocks.reads.lock().unwrap();
        reads.drain().map(|(_, reads)| reads.len()).sum::<usize>()
    };
    read_from();
    let requests = client.requests();
    for _ in 0..20 {
        let read = within(10, reader.read_at(0, bytes.len())).await.unwrap();
        assert!(read[..] == bytes[..]);
    }
    let others = (client.requests() - requests) as usize - read_from();
    // One report, one question, and the cluster map.
    assert!(others <= 4, "{others} requests besides those for pages");
}

/// A file of which a service has a block, that service taken out of use, and the position of the block.
async fn drained(cluster: &Cluster, client: &Client) -> (InodeId, Extent, u8, ExtentBlock) {
    let file = put(client, InodeId::ROOT, "f", &noise(500_000, 5))
        .await
        .inode;
    let extent = client.extents(file).await.unwrap().remove(0);
    let (index, block) = (1, blocks(&extent)[1]);
    let services = BTreeSet::from([block.service]);
    set_state(cluster, &services, ServiceState::Decommissioned);
    (file, extent, index, block)
}

/// Heals the block and gives how many pages were read of it, and of all others.
async fn heal_drained(cluster: &Cluster, healer: &Client) -> (u32, u32) {
    let (file, extent, index, drained) = drained(cluster, &cluster.client().await).await;
    heal_and_count(cluster, healer, (file, extent), (index, drained)).await
}

async fn heal_and_count(
    cluster: &Cluster,
    healer: &Client,
    (file, extent): (InodeId, Extent),
    (index, old): (u8, ExtentBlock),
) -> (u32, u32) {
    healer.refresh_map().await.unwrap();
    cluster.world.blocks.reads.lock().unwrap().clear();
    let healed = within(20, healer.heal_extent(file, &extent, &[index])).await;
    assert_eq!(healed.unwrap().blocks, 1);
    let new = blocks(&healer.extents(file).await.unwrap()[0])[usize::from(index)];
    assert!(new.service != old.service && new.checksum == old.checksum);
    let disk = &cluster.world.blocks.disks[&new.service].0;
    assert_eq!(disk.check(new.block).unwrap().checksum, new.checksum);
    let reads = std::mem::take(&mut *cluster.world.blocks.reads.lock().unwrap());
    let pages = |own: bool| {
        let of = reads.iter().filter(|(id, _)| (**id == old.service) == own);
        of.map(|(_, pages)| pages.iter().sum::<u32>()).sum()
    };
    (pages(true), pages(false))
}

#[tokio::test]
async fn blocks_of_a_drained_disk_are_copied_from_it() {
    let cluster = Cluster::start();
    let healer = cluster.server().await;
    let (own, others) = heal_drained(&cluster, &healer).await;
    assert!(own > 0);
    assert_eq!(others, 0);
}

#[tokio::test]
async fn what_a_drained_disk_cannot_give_is_made_from_others() {
    let mut cluster = Cluster::start();
    let client = cluster.client().await;
    let healer = cluster.server().await;
    // Rotten.
    let (file, extent, index, block) = drained(&cluster, &client).await;
    let path = cluster.world.blocks.file(block.service, block.block);
    let rotten = std::fs::File::options().write(true).open(path).unwrap();
    rotten.write_all_at(b"rotten", 5000).unwrap();
    let place = (index, block);
    let (_, others) = heal_and_count(&cluster, &healer, (file, extent), place).await;
    assert!(others > 0);
    // Whole by its own checksums, and not what was written.
    let (file, extent, index, block) = drained(&cluster, &client).await;
    let path = cluster.world.blocks.file(block.service, block.block);
    let length = std::fs::metadata(&path).unwrap().len();
    let mut other = vec![7; eggs_block_store::data_bytes(length).unwrap() as usize];
    let (trailer, _) = eggs_block_store::trailer(block.block, &other);
    other.extend(trailer);
    std::fs::write(path, other).unwrap();
    let place = (index, block);
    let (own, others) = heal_and_count(&cluster, &healer, (file, extent), place).await;
    assert!(own > 0 && others > 0);
    // Switched off.
    let (file, extent, index, block) = drained(&cluster, &client).await;
    let map = healer.refresh_map().await.unwrap();
    let node = map.service(block.service).unwrap().node;
    cluster.kill(ProcessRole::Blocks, node.index()).await;
    let place = (index, block);
    heal_and_count(&cluster, &healer, (file, extent), place).await;
}

#[tokio::test]
async fn degraded_files_become_whole_when_there_is_room() {
    let mut cluster = Cluster::start();
    let spare = services_of(&cluster, &[12, 13, 14, 15]);
    set_state(&cluster, &spare, ServiceState::NoWrite);
    let client = cluster.client().await;
    let healer = cluster.server().await;
    let bytes = noise(3 * MIB, 5);
    let file = put(&client, InodeId::ROOT, "f", &bytes).await.inode;
    let missing = |block: &ExtentBlock| block.state == BlockState::Missing;
    let extent = client.extents(file).await.unwrap().remove(0);
    assert_eq!(positions(&extent, missing).len(), 2);
    let full = healer
        .heal_extent(file, &extent, &positions(&extent, missing))
        .await;
    assert!(matches!(
        full,
        Err(ClientError::Refused(Refusal::NoSpace { .. }))
    ));
    set_state(
        &cluster,
        &services_of(&cluster, &[12]),
        ServiceState::Active,
    );
    healer.refresh_map().await.unwrap();
    assert_eq!(within(20, heal_all(&healer, file, missing)).await, 1);
    set_state(
        &cluster,
        &services_of(&cluster, &[13]),
        ServiceState::Active,
    );
    healer.refresh_map().await.unwrap();
    assert_eq!(within(20, heal_all(&healer, file, missing)).await, 1);
    let extent = client.extents(file).await.unwrap().remove(0);
    assert!(positions(&extent, missing).is_empty());
    for domain in [0, 1, 2, 3] {
        cluster.kill(ProcessRole::Blocks, domain).await;
    }
    assert!(within(20, get(&client, file)).await == bytes);
}

/// A service of the class of these blocks that has none of them, and stores nothing any more.
fn break_one(cluster: &Cluster, extent: &Extent) -> BlockServiceId {
    let used: BTreeSet<_> = blocks(extent).iter().map(|block| block.service).collect();
    let map = cluster.world.shards.map.lock().unwrap();
    let class = map.service(blocks(extent)[0].service).unwrap().class;
    let of_class = map.services.iter().filter(|info| info.class == class);
    let mut free = of_class.filter(|info| !used.contains(&info.service));
    let broken = free.next().unwrap().service;
    let path = &cluster.world.blocks.disks[&broken].1;
    std::fs::remove_dir(path.join("tmp")).unwrap();
    broken
}

/// Of two new blocks one may fail to be written. The other is in its place afterwards, and whoever heals does not try again where
/// one failed.
#[tokio::test]
async fn what_can_be_written_is_healed_and_where_it_failed_is_not_tried_again() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let healer = cluster.server().await;
    let bytes = noise(3 * MIB, 5);
    let file = put(&client, InodeId::ROOT, "f", &bytes).await.inode;
    let first = client.extents(file).await.unwrap().remove(0);
    let broken = break_one(&cluster, &first);
    cluster.world.blocks.writes.lock().unwrap().clear();
    let (mut failed, mut after_that, began) = (0, 0, Instant::now());
    while after_that < 16 {
        let extent = client.extents(file).await.unwrap().remove(0);
        let healed = within(20, healer.heal_extent(file, &extent, &[3, 1])).await;
        let healed = healed.unwrap().blocks;
        failed += 2 - healed;
        after_that += u64::from(failed > 0);
        let now = client.extents(file).await.unwrap().remove(0);
        let changed =
            (blocks(&extent).iter().zip(blocks(&now))).filter(|(old, new)| old.block != new.block);
        assert_eq!(changed.count() as u64, healed);
    }
    let tried = cluster.world.blocks.writes.lock().unwrap()[&broken];
    // After ten seconds it may be tried again.
    let may_fail = 1 + began.elapsed().as_secs() / 10;
    assert!(
        tried as u64 == failed && failed <= may_fail,
        "{tried} tries, {failed} failed"
    );
    let last = client.extents(file).await.unwrap().remove(0);
    for (old, new) in blocks(&first).iter().zip(blocks(&last)) {
        let disk = &cluster.world.blocks.disks[&new.service].0;
        assert_eq!(disk.check(new.block).unwrap().checksum, old.checksum);
    }
    assert!(within(20, get(&client, file)).await == bytes);
}

#[tokio::test]
async fn what_cannot_be_made_again_is_left_as_it_is() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let healer = cluster.server().await;
    let file = put(&client, InodeId::ROOT, "f", &noise(50_000, 3))
        .await
        .inode;
    let extent = client.extents(file).await.unwrap().remove(0);
    for block in blocks(&extent) {
        let path = cluster.world.blocks.file(block.service, block.block);
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.write_all_at(b"rotten", 100).unwrap();
    }
    let error = within(20, healer.heal_extent(file, &extent, &[0])).await;
    assert!(
        matches!(error, Err(ClientError::Damaged { .. })),
        "{error:?}"
    );
    assert_eq!(client.extents(file).await.unwrap().remove(0), extent);
    let asked = cluster.asked();
    assert!(asked.contains(&"Scrap".to_owned()), "{asked:?}");
    let client_may = client.heal_extent(file, &extent, &[0]).await;
    assert_eq!(client_may, Err(ClientError::Refused(Refusal::Forbidden)));
}

#[tokio::test]
async fn what_does_not_have_the_checksum_of_the_metadata_is_no_block() {
    let cluster = Cluster::start();
    let client = cluster.client().await;
    let file = put(&client, InodeId::ROOT, "f", &noise(50_000, 3))
        .await
        .inode;
    let mut extent = client.extents(file).await.unwrap().remove(0);
    let right = within(20, client.rebuild_blocks(file, &extent, &[0, 1])).await;
    assert_eq!(right.unwrap().len(), 2);
    if let ExtentBody::Blocks { blocks, .. } = &mut extent.body {
        blocks[1].checksum.0 ^= 1; // all of its pages are fine
    }
    let wrong = within(20, client.rebuild_blocks(file, &extent, &[0, 1])).await;
    assert!(matches!(wrong, Err(ClientError::Damaged { .. })));
}
