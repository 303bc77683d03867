//! Breaks things while clients work, and heals them again.
//!
//! **Invariant:** when a nemesis has ended, everything it broke is healed, apart from bits it turned on disks. What is
//! cut off in the middle (Ctrl-C) is healed by the end of the cluster.

mod clients;
mod cut;
mod domains;
mod field;
mod filled;
mod hunt;
mod kill;
mod lost;
mod members;
mod packets;
mod pause;
mod power;
mod roll;
mod rot;
mod system;

use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

pub use field::Field;

/// One way of breaking things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Kill,
    Pause,
    Hunt,
    Roll,
    Rot,
    Partition,
    Flaky,
    Clock,
    Full,
    Slow,
    Failing,
    Replace,
    Members,
    Domains,
    Still,
    Filled,
    Clients,
    Power,
    Lost,
    Packets,
}

/// Those that get along with each other. Four domains are what parity bears, and they rot already; packets need privileges.
const ALL: [Kind; 17] = [
    Kind::Kill,
    Kind::Pause,
    Kind::Hunt,
    Kind::Roll,
    Kind::Rot,
    Kind::Partition,
    Kind::Flaky,
    Kind::Clock,
    Kind::Full,
    Kind::Slow,
    Kind::Failing,
    Kind::Clients,
    Kind::Power,
    Kind::Replace,
    Kind::Members,
    Kind::Lost,
    Kind::Still,
];

/// Names that `--nemesis` takes, with a sentence each.
pub const NEMESES: [(&str, &str); 22] = [
    ("none", "nothing is broken"),
    ("kill", "processes are killed, alone and several at once"),
    ("pause", "processes are stopped and go on later"),
    ("hunt", "whoever leads a group in use is killed or paused"),
    (
        "roll",
        "every process is stopped cleanly, one after the other",
    ),
    (
        "rot",
        "bits turn in data, parity and checksums on four failure domains",
    ),
    (
        "partition",
        "nothing passes between some processes and others, both ways or one",
    ),
    ("flaky", "connections get slow or break"),
    ("clock", "clocks of processes jump, by a second up to a day"),
    ("full", "no write of a process finds space"),
    ("slow", "writes and fsyncs of a process take longer"),
    ("fsync", "fsyncs of a process fail"),
    (
        "clients",
        "clients are paused, also for longer than their requests may take",
    ),
    (
        "replace",
        "the directory of a metadata process is destroyed, the process replaced",
    ),
    (
        "members",
        "groups move between processes, are balanced and handed over",
    ),
    (
        "domains",
        "up to four failure domains at once are down, paused, full or rotten",
    ),
    ("still", "one process of block services is paused"),
    (
        "filled",
        "no disk of blocks has space, until all have it again",
    ),
    (
        "power",
        "processes are killed, and what they did not sync is gone",
    ),
    (
        "lost",
        "a metadata process loses its directory or finds it damaged, and is rebuilt by itself",
    ),
    (
        "packets",
        "packets between processes get lost or arrive twice; needs root",
    ),
    ("all", "all but domains, filled and packets, two at a time"),
];

/// What is broken, and how many things at a time.
#[derive(Debug)]
pub struct Nemesis {
    kinds: Vec<Kind>,
    at_a_time: u64,
}

impl Nemesis {
    /// The nemesis of this name.
    pub fn of(name: &str) -> Option<Self> {
        let (kinds, at_a_time) = match name {
            "none" => (vec![], 0),
            "kill" => (vec![Kind::Kill], 1),
            "pause" => (vec![Kind::Pause], 1),
            "hunt" => (vec![Kind::Hunt], 1),
            "roll" => (vec![Kind::Roll], 1),
            "rot" => (vec![Kind::Rot], 1),
            "partition" => (vec![Kind::Partition], 1),
            "flaky" => (vec![Kind::Flaky], 1),
            "clock" => (vec![Kind::Clock], 1),
            "full" => (vec![Kind::Full], 1),
            "slow" => (vec![Kind::Slow], 1),
            "fsync" => (vec![Kind::Failing], 1),
            "replace" => (vec![Kind::Replace], 1),
            "members" => (vec![Kind::Members], 1),
            "domains" => (vec![Kind::Domains], 1),
            "still" => (vec![Kind::Still], 1),
            "filled" => (vec![Kind::Filled], 1),
            "clients" => (vec![Kind::Clients], 1),
            "power" => (vec![Kind::Power], 1),
            "lost" => (vec![Kind::Lost], 1),
            "packets" => (vec![Kind::Packets], 1),
            "all" => (ALL.to_vec(), 2),
            _unknown => return None,
        };
        Some(Self { kinds, at_a_time })
    }

    /// Breaks and heals until `end`, or a little longer.
    pub async fn run(&self, field: &Field, end: Instant) -> Result<()> {
        let strands = (0..self.at_a_time).map(|strand| self.strand(field, strand, end));
        futures::future::try_join_all(strands).await?;
        tokio::time::sleep_until(end).await;
        Ok(())
    }

    /// One fault after the other.
    async fn strand(&self, field: &Field, strand: u64, end: Instant) -> Result<()> {
        let mut random = field.chance(&format!("nemesis {strand}"));
        loop {
            let quiet = Duration::from_millis(random.between(300, 2500));
            tokio::time::sleep_until(end.min(Instant::now() + quiet)).await;
            let Some(kind) = random.pick(&self.kinds).copied() else {
                return Ok(());
            };
            if Instant::now() >= end {
                return Ok(());
            }
            match kind {
                Kind::Kill => kill::run(field, &mut random).await?,
                Kind::Pause => pause::run(field, &mut random).await?,
                Kind::Hunt => hunt::run(field, &mut random).await?,
                Kind::Roll => roll::run(field, &mut random, end).await?,
                Kind::Rot => rot::run(field, &mut random)?,
                Kind::Partition => cut::partition(field, &mut random).await?,
                Kind::Flaky => cut::flaky(field, &mut random).await?,
                Kind::Clock => system::clock(field, &mut random).await?,
                Kind::Full => system::full(field, &mut random).await?,
                Kind::Slow => system::slow(field, &mut random).await?,
                Kind::Failing => system::failing(field, &mut random).await?,
                Kind::Replace => members::replace(field, &mut random).await?,
                Kind::Members => members::change(field, &mut random).await?,
                Kind::Domains => domains::run(field, &mut random).await?,
                Kind::Still => domains::still(field, &mut random).await?,
                Kind::Filled => filled::run(field, &mut random).await?,
                Kind::Clients => clients::run(field, &mut random).await?,
                Kind::Power => power::run(field, &mut random).await?,
                Kind::Lost => lost::run(field, &mut random).await?,
                Kind::Packets => packets::run(field, &mut random).await?,
            }
        }
    }
}
