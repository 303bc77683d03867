//! Policies: what a directory says about the files below it. Each kind is inherited by itself until a
//! directory overrides it.

use serde::{Deserialize, Serialize};

use crate::{BLOCK_BYTES_MAX, EXTENT_BYTES_MAX, INLINE_BYTES_MAX, Scheme, StorageClass};

/// How long old versions are kept. What either bound allows to go, goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotPolicy {
    /// Keep for this many milliseconds after deletion or replacement; `None` for ever.
    pub keep_ms: Option<u64>,
    /// Keep at most this many old versions of a name; `None` for all.
    pub keep_versions: Option<u32>,
}

/// One row of the extent policy: extents up to this size use this scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtentRow {
    /// Largest extent of this row, in bytes.
    pub extent_bytes_max: u64,
    /// Its scheme.
    pub scheme: Scheme,
}

/// Extent size → scheme; rows in ascending order. A file larger than the last row becomes several extents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtentPolicy {
    /// At least one.
    pub rows: Vec<ExtentRow>,
}

/// Extent size → class of disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassPolicy {
    /// Extents up to this size go to flash, larger ones to HDD.
    pub flash_bytes_max: u64,
}

/// How much must be read to verify or rebuild a little.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StripePolicy {
    /// Data bytes of one stripe.
    pub stripe_bytes: u32,
}

/// Which files are kept in the metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InlinePolicy {
    /// Files up to this size.
    pub inline_bytes_max: u32,
}

/// The kinds of policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PolicyKind {
    /// [`SnapshotPolicy`]
    Snapshot,
    /// [`ExtentPolicy`]
    Extent,
    /// [`ClassPolicy`]
    Class,
    /// [`StripePolicy`]
    Stripe,
    /// [`InlinePolicy`]
    Inline,
}

/// One policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Policy {
    /// How long old versions are kept.
    Snapshot(SnapshotPolicy),
    /// Scheme by size.
    Extent(ExtentPolicy),
    /// Class by size.
    Class(ClassPolicy),
    /// Stripe size.
    Stripe(StripePolicy),
    /// Inline limit.
    Inline(InlinePolicy),
}

/// Why a policy was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPolicy {
    /// No rows, too many, or not in ascending order of size.
    #[error("an extent policy needs 1 to 16 rows in ascending order of size")]
    Rows,
    /// A scheme outside of its limits.
    #[error("a scheme needs 1 to 16 data blocks and at most 16 parity blocks")]
    Scheme,
    /// A size outside of its limits.
    #[error("a size is outside of its limits")]
    Size,
}

impl Policy {
    /// Which kind it is.
    pub const fn kind(&self) -> PolicyKind {
        match self {
            Self::Snapshot(_) => PolicyKind::Snapshot,
            Self::Extent(_) => PolicyKind::Extent,
            Self::Class(_) => PolicyKind::Class,
            Self::Stripe(_) => PolicyKind::Stripe,
            Self::Inline(_) => PolicyKind::Inline,
        }
    }

    /// Checks the policy against all limits.
    pub fn validate(&self) -> Result<(), BadPolicy> {
        match self {
            Self::Snapshot(_) | Self::Class(_) => Ok(()),
            Self::Extent(policy) => policy.validate(),
            Self::Stripe(policy) => within(u64::from(policy.stripe_bytes), 4096, EXTENT_BYTES_MAX),
            Self::Inline(policy) => within(
                u64::from(policy.inline_bytes_max),
                0,
                INLINE_BYTES_MAX as u64,
            ),
        }
    }
}

fn within(value: u64, min: u64, max: u64) -> Result<(), BadPolicy> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err(BadPolicy::Size)
    }
}

impl ExtentPolicy {
    fn validate(&self) -> Result<(), BadPolicy> {
        let ascending = self
            .rows
            .is_sorted_by(|a, b| a.extent_bytes_max < b.extent_bytes_max);
        if !(1..=16).contains(&self.rows.len()) || !ascending {
            return Err(BadPolicy::Rows);
        }
        for row in &self.rows {
            if !row.scheme.is_valid() {
                return Err(BadPolicy::Scheme);
            }
            // A page of slack per block, because cells are rounded up to whole pages.
            let block = row.extent_bytes_max.div_ceil(u64::from(row.scheme.data));
            within(block, 1, BLOCK_BYTES_MAX / 2)?;
            within(row.extent_bytes_max, 1, EXTENT_BYTES_MAX)?;
        }
        Ok(())
    }
}

/// The effective policies of a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySet {
    /// Old versions.
    pub snapshot: SnapshotPolicy,
    /// Scheme by size.
    pub extent: ExtentPolicy,
    /// Class by size.
    pub class: ClassPolicy,
    /// Stripe size.
    pub stripe: StripePolicy,
    /// Inline limit.
    pub inline: InlinePolicy,
}

/// What one extent is to look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtentPlan {
    /// The scheme.
    pub scheme: Scheme,
    /// The class.
    pub class: StorageClass,
    /// Data bytes of a stripe.
    pub stripe_bytes: u32,
}

const MIB: u64 = 1 << 20;

impl Default for PolicySet {
    /// Any four failure domains may be lost, whatever the size; small extents are copies on flash.
    /// Deleted files can be brought back for a day.
    fn default() -> Self {
        let row = |extent_bytes_max, data, parity| ExtentRow {
            extent_bytes_max,
            scheme: Scheme { data, parity },
        };
        Self {
            snapshot: SnapshotPolicy {
                keep_ms: Some(24 * 3600 * 1000),
                keep_versions: None,
            },
            extent: ExtentPolicy {
                rows: vec![row(64 << 10, 1, 4), row(MIB, 4, 4), row(20 * MIB, 10, 4)],
            },
            class: ClassPolicy {
                flash_bytes_max: MIB,
            },
            stripe: StripePolicy {
                stripe_bytes: MIB as u32,
            },
            inline: InlinePolicy {
                inline_bytes_max: 4096,
            },
        }
    }
}

impl PolicySet {
    /// Overrides one kind.
    pub fn set(&mut self, policy: Policy) {
        match policy {
            Policy::Snapshot(policy) => self.snapshot = policy,
            Policy::Extent(policy) => self.extent = policy,
            Policy::Class(policy) => self.class = policy,
            Policy::Stripe(policy) => self.stripe = policy,
            Policy::Inline(policy) => self.inline = policy,
        }
    }

    /// Largest extent that a streaming writer gathers before it writes.
    pub fn extent_bytes_max(&self) -> u64 {
        self.extent
            .rows
            .last()
            .map_or(MIB, |row| row.extent_bytes_max)
    }

    /// How to store an extent of `size` bytes.
    pub fn plan(&self, size: u64) -> ExtentPlan {
        let fallback = ExtentRow {
            extent_bytes_max: MIB,
            scheme: Scheme { data: 1, parity: 4 },
        };
        let rows = &self.extent.rows;
        let row = rows
            .iter()
            .find(|row| size <= row.extent_bytes_max)
            .or(rows.last());
        let class = if size <= self.class.flash_bytes_max {
            StorageClass::Flash
        } else {
            StorageClass::Hdd
        };
        ExtentPlan {
            scheme: row.unwrap_or(&fallback).scheme,
            class,
            stripe_bytes: self.stripe.stripe_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ExtentLayout;

    /// What a file of `size` bytes gets: extents of the largest size, and one with what is left.
    fn describe(policies: &PolicySet, size: u64) -> String {
        if size <= u64::from(policies.inline.inline_bytes_max) {
            return "in the metadata".into();
        }
        let largest = policies.extent_bytes_max();
        let (full, rest) = (size / largest, size % largest);
        let (mut parts, mut physical_bytes) = (Vec::new(), 0);
        for (count, bytes) in [(full, largest), (u64::from(rest > 0), rest)] {
            if count == 0 {
                continue;
            }
            let ExtentPlan {
                scheme,
                class,
                stripe_bytes,
            } = policies.plan(bytes);
            let layout = ExtentLayout::for_size(bytes, scheme, stripe_bytes);
            physical_bytes += count * layout.block_bytes() * scheme.blocks() as u64;
            parts.push(format!(
                "{count} x {scheme} on {class}, {} stripes, cells of {} KiB",
                layout.stripes,
                layout.cell_bytes >> 10
            ));
        }
        let percent = physical_bytes * 100 / size;
        format!(
            "{}; {physical_bytes} bytes on disks, {percent} %",
            parts.join(" + ")
        )
    }

    /// What a file of each size gets by default; read it when changing the defaults.
    #[test]
    fn what_a_file_gets_by_default() {
        let policies = PolicySet::default();
        let sizes = [
            ("1 KB", 1_000),
            ("10 KB", 10_000),
            ("1 MB", 1_000_000),
            ("10 MB", 10_000_000),
            ("1 GB", 1_000_000_000),
        ];
        let lines = sizes.map(|(label, size)| format!("{label}: {}\n", describe(&policies, size)));
        expect_test::expect![[r#"
            1 KB: in the metadata
            10 KB: 1 x 1+4 on FLASH, 1 stripes, cells of 12 KiB; 61440 bytes on disks, 614 %
            1 MB: 1 x 4+4 on FLASH, 1 stripes, cells of 248 KiB; 2031616 bytes on disks, 203 %
            10 MB: 1 x 10+4 on HDD, 9 stripes, cells of 112 KiB; 14450688 bytes on disks, 144 %
            1 GB: 47 x 10+4 on HDD, 20 stripes, cells of 104 KiB + 1 x 10+4 on HDD, 13 stripes, cells of 108 KiB; 1421615104 bytes on disks, 142 %
        "#]].assert_eq(&lines.concat());
    }

    #[test]
    fn the_defaults_are_valid_and_bad_policies_are_refused() {
        let defaults = PolicySet::default();
        assert_eq!(Policy::Extent(defaults.extent).validate(), Ok(()));
        assert_eq!(Policy::Stripe(defaults.stripe).validate(), Ok(()));
        assert_eq!(Policy::Inline(defaults.inline).validate(), Ok(()));
        let rows = |rows| Policy::Extent(ExtentPolicy { rows }).validate();
        let row = |max, data, parity| ExtentRow {
            extent_bytes_max: max,
            scheme: Scheme { data, parity },
        };
        assert_eq!(rows(vec![]), Err(BadPolicy::Rows));
        assert_eq!(
            rows(vec![row(10, 1, 1), row(10, 1, 1)]),
            Err(BadPolicy::Rows)
        );
        assert_eq!(rows(vec![row(10, 0, 1)]), Err(BadPolicy::Scheme));
        assert_eq!(rows(vec![row(200 * MIB, 1, 1)]), Err(BadPolicy::Size));
        assert_eq!(
            Policy::Stripe(StripePolicy { stripe_bytes: 0 }).validate(),
            Err(BadPolicy::Size)
        );
    }
}
