//! What is counted.

use eggs_obs::metric_table;
use eggs_proto::block::BlockRefusal;

metric_table! {
    /// The metrics of `eggsblocks`.
    pub struct BlockMetrics {
        /// By kind of request.
        pub(crate) requests: CounterBy = "eggs_blocks_requests_total", "Requests by kind";
        /// By reason.
        pub(crate) refusals: CounterBy = "eggs_blocks_refusals_total", "Refusals by reason";
        /// By kind of request.
        pub(crate) seconds: HistogramBy = "eggs_blocks_request_seconds",
            "Time from the arrival of a request to its answer";
        pub(crate) written: Counter = "eggs_blocks_written_bytes_total", "Bytes of blocks written";
        pub(crate) read: Counter = "eggs_blocks_read_bytes_total", "Bytes of blocks read";
        pub(crate) capacity: Gauge = "eggs_blocks_capacity_bytes", "Bytes of all disks";
        pub(crate) available: Gauge = "eggs_blocks_available_bytes", "Bytes that can still be written";
        pub(crate) used: Gauge = "eggs_blocks_used_bytes", "Bytes of blocks";
        pub(crate) stored: Gauge = "eggs_blocks_stored_blocks", "Blocks";
        pub(crate) tombstones: Gauge = "eggs_blocks_erased_tombstones", "Tombstones of erased blocks";
        pub(crate) reports: CounterBy = "eggs_blocks_damage_reports_total",
            "Reports of damage by what came of them: found, whole, unknown, or known and refused without a look";
        pub(crate) damaged: Gauge = "eggs_blocks_damaged_blocks",
            "Blocks that readers reported and that were found damaged, waiting to be healed";
        pub(crate) io_errors: Gauge = "eggs_blocks_io_errors", "I/O errors since the start";
        pub(crate) read_p95: GaugeBy = "eggs_blocks_read_p95_microseconds",
            "95th percentile of reads of the last minute by disk, without queues and network";
        pub(crate) write_p95: GaugeBy = "eggs_blocks_write_p95_microseconds",
            "95th percentile of writes and erasures of the last minute by disk, with fsync";
        pub(crate) fenced: Gauge = "eggs_blocks_fenced_disks", "Disks that take no writes after a failed fsync or change";
        pub(crate) left_out: Gauge = "eggs_blocks_left_out_disks", "Disks that could not be opened at start";
    }
}

/// The name of a refusal in metrics.
pub(crate) const fn reason(refusal: &BlockRefusal) -> &'static str {
    match refusal {
        BlockRefusal::NotFound => "not_found",
        BlockRefusal::WrongService => "wrong_service",
        BlockRefusal::BadCertificate => "bad_certificate",
        BlockRefusal::Expired => "expired",
        BlockRefusal::BadPayload => "bad_payload",
        BlockRefusal::WasErased => "was_erased",
        BlockRefusal::BadRange => "bad_range",
        BlockRefusal::NoSpace => "no_space",
        BlockRefusal::DiskFailed(_) => "disk_failed",
        BlockRefusal::Damaged => "damaged",
        BlockRefusal::Overloaded => "overloaded",
        BlockRefusal::Forbidden => "forbidden",
        BlockRefusal::Malformed => "malformed",
        BlockRefusal::Unreadable => "unreadable",
    }
}
