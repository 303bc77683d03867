//! What to think of a disk, and of a group whose disks are so. Pure.

use eggs_proto::registry::SpaceLevel;

/// Largest share of a disk that is reserved, and largest share below which it is low.
const RESERVE_SHARE: u64 = 8;
/// A disk is low with less than this share, within limits.
const LOW_SHARE: u64 = 50;
const LOW_BYTES_MIN: u64 = 64 << 20;
const LOW_BYTES_MAX: u64 = 256 << 20;
const CRITICAL_SHARE: u64 = 32;
const CRITICAL_BYTES_MAX: u64 = 16 << 20;

/// A disk as it was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Disk {
    pub(crate) available_bytes: u64,
    pub(crate) capacity_bytes: u64,
    /// Bytes of the reserve, which are not available; 0 if it was given back.
    pub(crate) reserved_bytes: u64,
}

impl Disk {
    /// What is left, the reserve included.
    pub(crate) fn room(&self) -> u64 {
        self.available_bytes.saturating_add(self.reserved_bytes)
    }
}

/// What to do with the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reserve {
    /// Leave it as it is.
    Keep,
    /// Set this many bytes aside.
    Make(u64),
    /// Give it back.
    GiveBack,
}

/// Where the lines are on one disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lines {
    /// Bytes of a whole reserve.
    reserve: u64,
    /// Below this much besides the reserve the disk is low.
    low: u64,
    /// Below this much, the reserve included, it is critical; and with less besides the reserve, that is given back.
    critical: u64,
}

impl Lines {
    pub(crate) fn of(capacity_bytes: u64, reserve_bytes: u64) -> Self {
        let share = capacity_bytes / RESERVE_SHARE;
        Self {
            reserve: reserve_bytes.min(share),
            low: (capacity_bytes / LOW_SHARE)
                .clamp(LOW_BYTES_MIN, LOW_BYTES_MAX)
                .min(share),
            critical: (capacity_bytes / CRITICAL_SHARE).min(CRITICAL_BYTES_MAX),
        }
    }

    /// The verdict on a disk that was judged `before`. A little more space than what made it low is needed to make it
    /// ample again.
    pub(crate) fn level(&self, before: SpaceLevel, disk: &Disk) -> SpaceLevel {
        let low = self.reserve.saturating_add(self.low);
        let line = match before {
            SpaceLevel::Ample => low,
            SpaceLevel::Low | SpaceLevel::Critical => low.saturating_add(self.low / 4),
        };
        let room = disk.room();
        if room < self.critical {
            SpaceLevel::Critical
        } else if room < line {
            SpaceLevel::Low
        } else {
            SpaceLevel::Ample
        }
    }

    /// What to do with the reserve: it is made only where that makes nothing low.
    pub(crate) fn reserve(&self, disk: &Disk) -> Reserve {
        let low = self.reserve.saturating_add(self.low);
        if disk.reserved_bytes > 0 {
            let needed = disk.available_bytes < self.critical;
            return if needed {
                Reserve::GiveBack
            } else {
                Reserve::Keep
            };
        }
        if self.reserve > 0 && disk.available_bytes >= low.saturating_add(self.low / 4) {
            Reserve::Make(self.reserve)
        } else {
            Reserve::Keep
        }
    }
}

/// How a group is whose voters are so: as the best majority of them.
pub(crate) fn of_group(voters: impl Iterator<Item = SpaceLevel>) -> SpaceLevel {
    let mut levels: Vec<_> = voters.collect();
    levels.sort_unstable();
    levels.get(levels.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use SpaceLevel::{Ample, Critical, Low};

    use super::*;

    const MIB: u64 = 1 << 20;

    fn disk(available: u64, reserved: u64) -> Disk {
        Disk {
            available_bytes: available * MIB,
            capacity_bytes: 10_000 * MIB,
            reserved_bytes: reserved * MIB,
        }
    }

    /// 200 MiB of 10,000 are low.
    fn lines() -> Lines {
        Lines::of(10_000 * MIB, 50 * MIB)
    }

    #[test]
    fn a_disk_fills_and_empties() {
        let mut level = Ample;
        let mut seen = Vec::new();
        for (available, reserved) in [
            (300, 50),
            (200, 50),
            (199, 50),
            (16, 50),
            (15, 0),
            (17, 0),
            (250, 0),
            (299, 0),
            (300, 0),
            (250, 50),
            (200, 50),
        ] {
            level = lines().level(level, &disk(available, reserved));
            seen.push(level);
        }
        assert_eq!(
            seen,
            [
                Ample, Ample, Low, Low, Critical, Low, Low, Low, Ample, Ample, Ample
            ]
        );
    }

    #[test]
    fn the_reserve_is_given_back_last_and_made_again_when_nobody_misses_it() {
        let what = |available, reserved| lines().reserve(&disk(available, reserved));
        assert_eq!(what(300, 50), Reserve::Keep);
        assert_eq!(what(16, 50), Reserve::Keep);
        assert_eq!(what(15, 50), Reserve::GiveBack);
        assert_eq!(what(299, 0), Reserve::Keep);
        assert_eq!(what(300, 0), Reserve::Make(50 * MIB));
        // Making it, or giving it back, changes no verdict.
        for available in 0..400 {
            if what(available, 0) == Reserve::Make(50 * MIB) {
                let after = disk(available - 50, 50);
                assert_eq!(lines().level(Ample, &after), Ample);
                assert_eq!(lines().reserve(&after), Reserve::Keep);
            }
            if what(available, 50) == Reserve::GiveBack {
                assert_eq!(what(available + 50, 0), Reserve::Keep);
            }
        }
    }

    #[test]
    fn a_small_disk_is_not_all_reserve() {
        for capacity in [0, 1, 64, 256, 1024] {
            let lines = Lines::of(capacity * MIB, 64 * MIB);
            let empty = Disk {
                available_bytes: capacity * MIB,
                capacity_bytes: capacity * MIB,
                reserved_bytes: 0,
            };
            assert_eq!(lines.level(Low, &empty), Ample, "{capacity}");
        }
    }

    #[test]
    fn a_group_is_as_its_majority() {
        let of = |levels: &[SpaceLevel]| of_group(levels.iter().copied());
        assert_eq!(of(&[]), Ample);
        assert_eq!(of(&[Low]), Low);
        assert_eq!(of(&[Low, Ample]), Low);
        assert_eq!(of(&[Critical, Ample, Ample]), Ample);
        assert_eq!(of(&[Critical, Ample, Low]), Low);
        assert_eq!(of(&[Low, Ample, Low, Ample]), Low);
        assert_eq!(of(&[Low, Ample, Low, Ample, Ample]), Ample);
    }
}
