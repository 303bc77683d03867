//! Limits of the registry.

/// A process or disk that nobody heard of for this long is stale; milliseconds of observed time. The
/// leader's configuration may say otherwise.
pub const STALE_MS: u64 = 8_000;
/// Longest time between two observations that counts as listening, in milliseconds. After a longer one the
/// leader was paused or cut off itself, and the time says nothing about others.
pub const ELAPSED_MS_MAX: u64 = 4_000;
/// After a process has taken its own place, it may not do so again for this long, in milliseconds of log time: a disk that
/// fails again and again is not filled again and again.
pub const SUCCESSION_PAUSE_MS: u64 = 600_000;
/// A way to store blocks that nobody has used for this long is not in use any more, in milliseconds of log time: longer than from one
/// nightly backup to the next.
pub const SCHEME_KEPT_MS: u64 = 48 * 3600 * 1000;
/// How long a way to store blocks that was used is not said again, in milliseconds of log time.
pub const SCHEME_AGAIN_MS: u64 = 3600 * 1000;
const _: () = assert!(SCHEME_AGAIN_MS * 2 < SCHEME_KEPT_MS);
/// Most processes. With [`SERVICES_MAX`] it keeps the map well inside of one frame.
pub const NODES_MAX: u32 = 20_000;
/// Most disks.
pub const SERVICES_MAX: u32 = 100_000;
/// Most disks of one process.
pub const SERVICES_PER_NODE_MAX: usize = 256;
/// The shards, the CDC and the registry.
pub const GROUPS_MAX: usize = eggs_proto::SHARD_COUNT + 2;
/// Most replicas of a group.
pub const REPLICAS_MAX: usize = 9;
/// Longest address, in bytes: an IPv6 address with scope and port.
pub const ADDRESS_BYTES_MAX: usize = 64;

// The map in postcard takes less than 90 bytes per disk and 100 per process.
const _: () = assert!(
    SERVICES_MAX * 90 + NODES_MAX * 100 < eggs_proto::BODY_BYTES_MAX,
    "the map has to fit into one frame"
);
