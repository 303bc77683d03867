//! Sums over the map.

use std::collections::BTreeMap;

use eggs_proto::{ClusterMap, FailureDomainId, ServiceState, StorageClass};

/// Sums over the block services of one class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassTotals {
    /// Bytes of the disks, those given up excluded.
    pub capacity_bytes: u64,
    /// Bytes that can still be written.
    pub available_bytes: u64,
    /// Bytes of blocks.
    pub used_bytes: u64,
    /// Number of blocks.
    pub blocks: u64,
    /// Number of disks, those given up excluded.
    pub services: usize,
    /// Failure domains with a disk that takes writes.
    pub domains_writable: usize,
    /// Failure domains with a disk that takes writes and has space.
    pub domains_with_space: usize,
}

/// Sums over everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// By class; only classes that have a disk.
    pub classes: BTreeMap<StorageClass, ClassTotals>,
    /// Number of disks by state.
    pub states: BTreeMap<ServiceState, usize>,
}

impl Totals {
    /// Sums up a map.
    pub fn of(map: &ClusterMap) -> Self {
        let mut totals = Self::default();
        // (class, domain) → whether a disk there has space
        let mut writable: BTreeMap<(StorageClass, FailureDomainId), bool> = BTreeMap::new();
        for info in &map.services {
            *totals.states.entry(info.state).or_default() += 1;
            if info.state == ServiceState::Decommissioned {
                continue;
            }
            let class = totals.classes.entry(info.class).or_default();
            class.services += 1;
            class.capacity_bytes = class.capacity_bytes.saturating_add(info.capacity_bytes);
            class.used_bytes = class.used_bytes.saturating_add(info.used_bytes);
            class.blocks = class.blocks.saturating_add(info.blocks);
            // A disk of 0 bytes has not reported yet.
            if info.state.takes_writes() && info.capacity_bytes > 0 {
                class.available_bytes = class.available_bytes.saturating_add(info.available_bytes);
                *writable.entry((info.class, info.domain)).or_default() |= info.available_bytes > 0;
            }
        }
        for ((class, _), has_space) in writable {
            let class = totals.classes.entry(class).or_default();
            class.domains_writable += 1;
            class.domains_with_space += usize::from(has_space);
        }
        totals
    }

    /// Bytes of all disks.
    pub fn capacity_bytes(&self) -> u64 {
        self.sum(|class| class.capacity_bytes)
    }

    /// Bytes that can still be written.
    pub fn available_bytes(&self) -> u64 {
        self.sum(|class| class.available_bytes)
    }

    /// Bytes of blocks.
    pub fn used_bytes(&self) -> u64 {
        self.sum(|class| class.used_bytes)
    }

    /// Number of blocks.
    pub fn blocks(&self) -> u64 {
        self.sum(|class| class.blocks)
    }

    fn sum(&self, of: impl Fn(&ClassTotals) -> u64) -> u64 {
        self.classes.values().map(of).fold(0, u64::saturating_add)
    }
}
