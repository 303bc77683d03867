//! Reads of one directory: of its leader, and of any replica. Each metadata process is held to the same share of a core, so that it
//! shows what more replicas can do.

use anyhow::Result;
use eggs_client::{Client, ReadFrom};
use eggs_harness::Cluster;
use rustix::process::Pid;

use crate::metadata::Plan;
use crate::report::Report;
use crate::shares::Shares;
use crate::works::{Places, Work};

/// Hundredths of a core that each process has: together so little that the load has what it needs.
const PERCENT: u32 = 20;

/// Libraries of each kind: each asks one replica about a directory, which one is for chance.
pub const MACHINES: usize = 16;

/// Measures both, or says why it cannot.
pub async fn measure(
    plan: &Plan<'_>,
    machines: [(ReadFrom, &[Client]); 2],
    report: &mut Report,
) -> Result<()> {
    let works = [Work::Stat, Work::Lookup];
    let places = Places::make(&plan.machines[0], "hot", 1, &works).await?;
    let _shares = match Shares::hold(&metadata_processes(plan.cluster)?, PERCENT) {
        Ok(shares) => shares,
        Err(error) => {
            eprintln!("reads by replicas are left out: {error:#}");
            return Ok(());
        }
    };
    for clients in [64, 256] {
        for work in works {
            let what = format!("{} in one directory, {clients} clients", work.name(1));
            let mut rates = Vec::new();
            for (from, machines) in machines {
                let plan = Plan { machines, ..*plan };
                let done = places.run(work, plan.round(clients)).await?;
                rates.push(done.rate());
                let what = format!("{what}, processes with {PERCENT} % of a core, by {from}");
                done.tell(&what, work.unit(), report);
            }
            let times = rates[1] / rates[0];
            report.add(
                &format!("{what}: any replica beside the leader"),
                times,
                "times",
            );
        }
    }
    Ok(())
}

fn metadata_processes(cluster: &Cluster) -> Result<Vec<Pid>> {
    let names = cluster.process_names()?;
    let names = names.iter().filter(|name| name.starts_with("shard"));
    names.map(|name| cluster.pid(name)).collect()
}
