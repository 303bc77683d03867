//! All that processes keep is on a file system that forgets what was not synced: the power of the whole cluster goes at once, and any
//! sectors and names that were not synced are lost.

use anyhow::{Context, Result};
use eggs_forgetful::{Fate, Mounted, Power, Survival, Tree};
use eggs_harness::{Cluster, Options, eventually};
use rand::RngExt;

use super::{Acknowledged, BOUND, WRITERS, check, write_until};

const CUTS: u64 = 3;
const FILES: usize = 40;

/// Gives what there was, synced or not, when nobody uses it any more.
fn unmount(machine: Mounted) -> Result<Tree> {
    let mut machine = Some(machine);
    eventually(BOUND, || {
        let mounted = machine.take().context("it was unmounted before")?;
        mounted.unmount().map_err(|in_use| {
            machine = Some(in_use);
            anyhow::anyhow!("the file system is in use")
        })
    })
}

#[test]
fn the_power_of_everything_goes_and_what_was_not_synced_is_forgotten() -> Result<()> {
    let seed: u64 = rand::rng().random();
    println!("seed {seed:#x}");
    let disk = tempfile::tempdir()?;
    let mount = |tree| Mounted::new(tree, Power::endless(), disk.path());
    let Some(mut machine) = mount(Tree::default())? else {
        return Ok(());
    };
    let cluster = Cluster::start(Options {
        data: Some(disk.path()),
        ..Options::default()
    })?;
    let acknowledged = Acknowledged::default();
    for cut in 0..CUTS {
        write_until(&cluster, (cut * WRITERS, FILES), &acknowledged, || {
            machine.cut_power();
            cluster.kill_everything()
        })?;
        println!("{} changes", machine.power().spent());
        let left = unmount(machine)?.survivor(&mut Fate::new(Survival::Some, seed ^ cut));
        machine = mount(left)?.context("it cannot be mounted again")?;
        cluster.start_again()?;
        check(&cluster, &acknowledged)?;
    }
    Ok(())
}
