//! The most free space that any disk has, which those who place blocks need for each of them: computed once for each map.

use crate::{ClusterMap, StorageClass};

/// Bytes of the disk with the most free space that takes writes, by class. 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MostFree {
    hdd: u64,
    flash: u64,
}

impl MostFree {
    /// Looks at all disks of a map.
    pub fn of(map: &ClusterMap) -> Self {
        let mut most = Self::default();
        for info in map.services.iter().filter(|info| info.state.takes_writes()) {
            let of_class = match info.class {
                StorageClass::Hdd => &mut most.hdd,
                StorageClass::Flash => &mut most.flash,
            };
            *of_class = info.available_bytes.max(*of_class);
        }
        most
    }

    /// That of a class.
    pub const fn of_class(self, class: StorageClass) -> u64 {
        match class {
            StorageClass::Hdd => self.hdd,
            StorageClass::Flash => self.flash,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BlockServiceId, BlockServiceInfo, FailureDomainId, NodeId, ProcessRole};
    use crate::{ServiceState, Time};

    #[test]
    fn only_disks_that_take_writes_count_and_each_class_for_itself() {
        let disk = |id, class, state, available_bytes| BlockServiceInfo {
            service: BlockServiceId(id),
            node: NodeId::new(ProcessRole::Blocks, 0),
            domain: FailureDomainId(0),
            class,
            state,
            capacity_bytes: 1000,
            available_bytes,
            used_bytes: 0,
            blocks: 0,
            last_seen: Time(0),
        };
        let (hdd, flash) = (StorageClass::Hdd, StorageClass::Flash);
        let map = ClusterMap {
            services: vec![
                disk(1, hdd, ServiceState::Active, 5),
                disk(2, hdd, ServiceState::Active, 7),
                disk(3, hdd, ServiceState::NoWrite, 9),
                disk(4, flash, ServiceState::Active, 3),
            ],
            ..ClusterMap::default()
        };
        let most = MostFree::of(&map);
        assert_eq!((most.of_class(hdd), most.of_class(flash)), (7, 3));
        assert_eq!(MostFree::of(&ClusterMap::default()), MostFree::default());
    }
}
