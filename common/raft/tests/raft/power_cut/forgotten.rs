//! On a file system that forgets all that was not synced but what chance keeps, names and sectors each on their own, when the power
//! goes before a change that is drawn: also while stores are made, opened and recovered.

use std::sync::Arc;

use eggs_forgetful::{Fate, Mounted, Power, Survival, Tree};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Acknowledged, check, cluster, of, start_work};
use crate::common::{Cluster, eventually};

const CUTS: u64 = 16;
/// Making the stores takes a hundred, starting them about as many.
const CHANGES_MAX: u64 = 1500;

/// Ends the node as a crash does, and takes what there was, synced or not.
async fn end(cluster: &mut Cluster, machine: Mounted) -> Tree {
    cluster.crash(0).await;
    let mut machine = Some(machine);
    eventually("an unmounted file system", async || {
        match machine.take().unwrap().unmount() {
            Ok(tree) => Some(tree),
            Err(in_use) => {
                machine = Some(in_use);
                None
            }
        }
    })
    .await
}

/// RocksDB syncs what is in its directories, and nobody else would sync that there are such directories.
#[tokio::test]
async fn stores_are_there_as_soon_as_a_node_has_started() {
    let dir = tempfile::tempdir().unwrap();
    let mounted = dir.path().join("node0");
    std::fs::create_dir(&mounted).unwrap();
    let Some(machine) = Mounted::new(Tree::default(), Power::endless(), &mounted).unwrap() else {
        return;
    };
    let mut cluster = cluster(dir);
    cluster.start_node(0).await;
    let tree = end(&mut cluster, machine).await;
    let left = tree.survivor(&mut Fate::new(Survival::Nothing, 0));
    let machine = Mounted::new(left, Power::endless(), &mounted).unwrap();
    for name in ["log", "log.mark", "state"] {
        assert!(mounted.join(name).exists(), "{name}");
    }
    cluster.start_node(0).await;
    end(&mut cluster, machine.unwrap()).await;
}

/// Until the power is gone; before there are leaders nothing is done.
async fn work(cluster: &Cluster, machine: &Mounted, known: &Arc<Acknowledged>) {
    eventually("a power cut", async || {
        for worker in start_work(cluster, known) {
            worker.await.unwrap();
        }
        machine.power().is_off().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_whatever_else_was_forgotten() {
    let seed = rand::rng().random();
    println!("seed {seed:#x}");
    let mut rng = StdRng::seed_from_u64(seed);
    let dir = tempfile::tempdir().unwrap();
    let mounted = dir.path().join("node0");
    std::fs::create_dir(&mounted).unwrap();
    let mount = |tree: Tree, power: Power| Mounted::new(tree, power, &mounted).unwrap();
    let mut cluster = cluster(dir);
    let known = Arc::new(Acknowledged::default());
    let mut tree = Tree::default();
    for _ in 0..CUTS {
        let Some(machine) = mount(tree, Power::for_changes(rng.random_range(0..CHANGES_MAX)))
        else {
            return;
        };
        match cluster.try_start_node(0).await {
            Ok(()) => work(&cluster, &machine, &known).await,
            Err(error) => assert!(machine.power().is_off(), "{error}"),
        }
        tree = end(&mut cluster, machine).await;
        tree = tree.survivor(&mut Fate::new(Survival::Some, rng.random()));
        // Now with power for everything.
        let machine = mount(tree, Power::endless()).unwrap();
        cluster.start_node(0).await;
        check(&cluster, &of(&known), &known).await;
        tree = end(&mut cluster, machine).await;
    }
    println!("acknowledged: {:?}", of(&known));
    assert!(of(&known).iter().all(|sum| *sum > 20), "{:?}", of(&known));
}
