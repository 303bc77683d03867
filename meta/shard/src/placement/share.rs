//! How much of its share of new blocks a disk is given, by how it has been lately.
//!
//! A disk that has just had I/O errors, or that takes several times as long as its peers, is likely to do so again: it gets less of
//! what is new, long before the registry takes it out of use, and never nothing. Nothing rests on it being right: it only
//! weighs the draw.
//!
//! Pure: time is an argument.
//!
//! **Invariant:** if all disks are alike, however bad, all weigh alike.

use std::collections::BTreeMap;
use std::time::Duration;

use eggs_proto::registry::{DiskCondition, DiskPace, Latency};
use eggs_proto::{BlockServiceId, ClusterMap, StorageClass};

/// A disk whose errors stopped so long ago is like any other.
const ERRORS_MATTER: Duration = Duration::from_secs(600);
/// Of fewer operations, or peers, there is nothing to be said.
const SAMPLES_MIN: u32 = 10;
const PEERS_MIN: usize = 4;
/// So many times the median of the peers is nothing unusual.
const USUAL_TIMES: u64 = 2;
/// Nor is a 95th percentile below this, in microseconds.
const USUAL_US: u64 = 5_000;

/// Part of the weight that its free space gives to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u16);

impl Share {
    /// All of it.
    pub const FULL: Self = Self(256);
    /// What the worst disk keeps: a sixteenth.
    pub const LEAST: Self = Self(16);

    /// The weight of so many bytes, one for each byte with all of the share.
    pub(crate) fn weight(self, bytes: u64) -> u128 {
        u128::from(bytes) * u128::from(self.0) / u128::from(Self::FULL.0)
    }

    fn new(parts: u64) -> Self {
        let parts = u16::try_from(parts).unwrap_or(u16::MAX);
        Self(parts.clamp(Self::LEAST.0, Self::FULL.0))
    }

    const fn of_errors(recent: u64) -> Self {
        match recent {
            0 => Self::FULL,
            1 => Self(128),
            2..=3 => Self(64),
            _ => Self(32),
        }
    }

    fn of_latency(p95_us: u64, median_us: u64) -> Self {
        let usual = (median_us * USUAL_TIMES).max(USUAL_US);
        Self::new(u64::from(Self::FULL.0) * usual / p95_us.max(usual))
    }

    fn and(self, other: Self) -> Self {
        Self::new(u64::from(self.0) * u64::from(other.0) / u64::from(Self::FULL.0))
    }

    /// Half of the way from here to there, so that one bad minute does not count in full.
    const fn towards(self, target: Self) -> Self {
        let sum = self.0 + target.0;
        // Rounded away from here, or it would never arrive.
        let rounds_up = target.0 > self.0 && !sum.is_multiple_of(2);
        Self(sum / 2 + rounds_up as u16)
    }
}

/// The shares of all disks.
#[derive(Clone, Debug, Default)]
pub struct Shares(BTreeMap<BlockServiceId, Share>);

impl Shares {
    /// Every disk has all of its share.
    pub const ALL_FULL: Self = Self(BTreeMap::new());

    /// Some have the least.
    #[cfg(test)]
    pub(crate) fn least(services: &[BlockServiceId]) -> Self {
        let reduced = services.iter().map(|service| (*service, Share::LEAST));
        Self(reduced.collect())
    }

    /// The share of a disk; all of it if nothing is known.
    pub fn of(&self, service: BlockServiceId) -> Share {
        self.0.get(&service).copied().unwrap_or(Share::FULL)
    }

    /// Disks that have less than all of it.
    pub fn reduced(&self) -> impl Iterator<Item = (BlockServiceId, Share)> {
        self.0.iter().map(|(service, share)| (*service, *share))
    }
}

/// Watches the disks from one look to the next.
#[derive(Debug, Default)]
pub struct DiskWatch(BTreeMap<BlockServiceId, Seen>);

#[derive(Clone, Copy, Debug)]
struct Seen {
    io_errors: u64,
    recent_errors: u64,
    last_error: Duration,
    share: Share,
}

impl DiskWatch {
    /// Takes in one look at all disks and says what they get; `now` is since any beginning.
    pub fn look(&mut self, map: &ClusterMap, disks: &[DiskCondition], now: Duration) -> Shares {
        let peers = Peers::of(map, disks);
        let mut seen = BTreeMap::new();
        for disk in disks {
            let service = disk.pace.service;
            let Some(info) = map.service(service) else {
                continue;
            };
            let before = self.0.get(&service).copied().unwrap_or(Seen {
                io_errors: disk.io_errors, // who knows when those were
                recent_errors: 0,
                last_error: now,
                share: Share::FULL,
            });
            let mut known = before.count(disk.io_errors, now);
            let latency = peers.share(info.class, &disk.pace);
            let target = Share::of_errors(known.recent_errors).and(latency);
            known.share = before.share.towards(target);
            seen.insert(service, known);
        }
        self.0 = seen;
        let reduced = self.0.iter().filter(|(_, seen)| seen.share < Share::FULL);
        Shares(
            reduced
                .map(|(service, seen)| (*service, seen.share))
                .collect(),
        )
    }
}

impl Seen {
    /// Counts new errors. They are counted from the start of a process: fewer than before are all new.
    fn count(mut self, io_errors: u64, now: Duration) -> Self {
        let new = io_errors.checked_sub(self.io_errors).unwrap_or(io_errors);
        if new > 0 {
            self.last_error = now;
            self.recent_errors = self.recent_errors.saturating_add(new);
        } else if now.saturating_sub(self.last_error) >= ERRORS_MATTER {
            self.recent_errors = 0;
        }
        self.io_errors = io_errors;
        self
    }
}

/// What the disks of each class take.
struct Peers {
    /// Medians of 95th percentiles of reads and writes, in microseconds.
    medians_us: BTreeMap<StorageClass, [Option<u64>; 2]>,
}

const fn kinds(pace: &DiskPace) -> [Latency; 2] {
    [pace.reads, pace.writes]
}

impl Peers {
    fn of(map: &ClusterMap, disks: &[DiskCondition]) -> Self {
        let mut p95s: BTreeMap<StorageClass, [Vec<u32>; 2]> = BTreeMap::new();
        for disk in disks {
            let Some(info) = map.service(disk.pace.service) else {
                continue;
            };
            let of_class = p95s.entry(info.class).or_default();
            for (all, latency) in of_class.iter_mut().zip(kinds(&disk.pace)) {
                if latency.count >= SAMPLES_MIN {
                    all.push(latency.p95_us);
                }
            }
        }
        let median = |mut all: Vec<u32>| {
            all.sort_unstable();
            let middle = all.get(all.len() / 2).copied().map(u64::from);
            middle.filter(|_| all.len() >= PEERS_MIN)
        };
        let medians = p95s
            .into_iter()
            .map(|(class, all)| (class, all.map(median)));
        Self {
            medians_us: medians.collect(),
        }
    }

    fn share(&self, class: StorageClass, pace: &DiskPace) -> Share {
        let medians = self.medians_us.get(&class).copied().unwrap_or_default();
        let of_kind = |(latency, median): (Latency, Option<u64>)| match median {
            Some(median) if latency.count >= SAMPLES_MIN => {
                Share::of_latency(u64::from(latency.p95_us), median)
            }
            Some(_) | None => Share::FULL,
        };
        let shares = kinds(pace).into_iter().zip(medians).map(of_kind);
        shares.min().unwrap_or(Share::FULL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::map_of;

    const LOOK: Duration = Duration::from_secs(30);

    fn took(p95_us: u32) -> Latency {
        Latency {
            count: 100,
            p95_us,
            ..Latency::default()
        }
    }

    /// One for each disk of 16 hosts, all alike.
    fn disks(map: &ClusterMap) -> Vec<DiskCondition> {
        let disk = |info: &eggs_proto::BlockServiceInfo| DiskCondition {
            pace: DiskPace {
                service: info.service,
                reads: took(20_000),
                writes: took(30_000),
            },
            io_errors: 7,
            reason: None,
        };
        map.services.iter().map(disk).collect()
    }

    /// The share of the first disk after so many looks.
    fn after(looks: u32, watch: &mut DiskWatch, disks: &[DiskCondition]) -> Share {
        let (map, mut share) = (map_of(16), Share::FULL);
        for look in 0..looks {
            let shares = watch.look(&map, disks, LOOK * look);
            share = shares.of(disks[0].pace.service);
            let others = disks[1..].iter().map(|disk| shares.of(disk.pace.service));
            assert!(others.min() == Some(Share::FULL));
        }
        share
    }

    #[test]
    fn disks_that_are_alike_weigh_alike() {
        let map = map_of(16);
        let mut all = disks(&map);
        let mut watch = DiskWatch::default();
        assert_eq!(after(3, &mut watch, &all), Share::FULL);
        for disk in &mut all {
            disk.pace.writes = took(30_000_000);
        }
        assert_eq!(after(3, &mut watch, &all), Share::FULL);
    }

    #[test]
    fn a_disk_that_takes_longer_gets_less_by_and_by_and_recovers() {
        let map = map_of(16);
        let mut all = disks(&map);
        let mut watch = DiskWatch::default();
        all[0].pace.writes = took(59_000);
        assert_eq!(after(9, &mut watch, &all), Share::FULL, "twice is nothing");
        all[0].pace.writes = took(240_000);
        assert_eq!(after(1, &mut watch, &all), Share(160));
        assert_eq!(
            after(20, &mut watch, &all),
            Share(64),
            "4 times twice the median"
        );
        all[0].pace.reads = took(u32::MAX);
        assert_eq!(after(20, &mut watch, &all), Share::LEAST);
        all[0].pace.reads.count = SAMPLES_MIN - 1;
        all[0].pace.writes.count = 0;
        assert_eq!(after(20, &mut watch, &all), Share::FULL);
    }

    #[test]
    fn disks_are_compared_with_those_of_their_class() {
        let map = map_of(16);
        let mut all = disks(&map);
        let flash = |disk: &DiskCondition| {
            let info = map.service(disk.pace.service).unwrap();
            info.class == StorageClass::Flash
        };
        let mut of_flash: Vec<_> = all.iter_mut().filter(|disk| flash(disk)).collect();
        for disk in &mut of_flash {
            (disk.pace.reads, disk.pace.writes) = (took(300), took(300));
        }
        // Less than an HDD takes usually.
        of_flash[0].pace.writes = took(20_000);
        let slow = of_flash[0].pace.service;
        let mut watch = DiskWatch::default();
        (0..20).for_each(|_| drop(watch.look(&map, &all, LOOK)));
        let reduced: Vec<_> = watch.look(&map, &all, LOOK).reduced().collect();
        assert_eq!(reduced, [(slow, Share(64))]);
    }

    #[test]
    fn without_peers_nobody_is_slow() {
        let map = map_of(3);
        let mut few = disks(&map);
        few[0].pace.writes = took(10_000_000);
        let shares = DiskWatch::default().look(&map, &few, LOOK);
        assert_eq!(shares.reduced().count(), 0);
    }

    #[test]
    fn errors_count_while_they_are_recent() {
        let map = map_of(16);
        let mut all = disks(&map);
        let mut watch = DiskWatch::default();
        let service = all[0].pace.service;
        let mut look = |errors: u64, at: Duration| {
            all[0].io_errors = errors;
            (0..20).for_each(|_| drop(watch.look(&map, &all, at)));
            watch.look(&map, &all, at).of(service)
        };
        assert_eq!(look(7, LOOK), Share::FULL, "those are old");
        assert_eq!(look(8, LOOK * 2), Share(128));
        assert_eq!(look(9, LOOK * 3), Share(64));
        assert_eq!(look(20, LOOK * 4), Share(32));
        assert_eq!(look(20, LOOK * 5), Share(32));
        assert_eq!(look(20, LOOK * 5 + ERRORS_MATTER), Share::FULL);
        // Its process was started anew.
        assert_eq!(look(1, LOOK * 6 + ERRORS_MATTER), Share(128));
    }
}
