//! On ext4 in a file, which is shut down in the midst of writing, without flushing its journal, and mounted again: whatever was not
//! synced is lost.

use std::sync::Arc;

use eggs_volume::Volume;
use rand::RngExt;

use super::{Acknowledged, check, cluster, of, start_work};
use crate::common::eventually;

const CUTS: u64 = 8;
const VOLUME_BYTES: u64 = 512 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_power_cuts() {
    let dir = tempfile::tempdir().unwrap();
    let (image, mounted) = (dir.path().join("image"), dir.path().join("node0"));
    let Some(volume) = Volume::new(image, mounted, VOLUME_BYTES).unwrap() else {
        return;
    };
    let mut cluster = cluster(dir);
    let known = Arc::new(Acknowledged::default());
    let mut promised = of(&known);
    for _ in 0..CUTS {
        // A replica that has lost anything it promised would not start.
        cluster.start_node(0).await;
        check(&cluster, &promised, &known).await;
        let workers = start_work(&cluster, &known);
        let all = || of(&known).iter().sum::<u64>();
        let enough = all() + rand::rng().random_range(200..2000);
        eventually("changes", async || (all() >= enough).then_some(())).await;
        promised = of(&known);
        volume.cut_power().unwrap();
        for worker in workers {
            worker.await.unwrap();
        }
        cluster.crash(0).await;
        eventually("an unmounted volume", async || {
            volume.unmount().then_some(())
        })
        .await;
        assert!(volume.mount(), "the file system cannot be mounted again");
    }
    cluster.start_node(0).await;
    check(&cluster, &promised, &known).await;
    assert!(of(&known).iter().all(|sum| *sum > 50), "{:?}", of(&known));
    println!("acknowledged: {:?}", of(&known));
    cluster.crash(0).await;
    drop(volume);
}
