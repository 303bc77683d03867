//! What is counted.

use eggs_obs::metric_table;

use crate::heal::HealTally;
use crate::reported::ReportedTally;
use crate::scrub::ScrubTally;
use crate::tally::Tally;

metric_table! {
    /// The metrics of `eggsgc`.
    pub(crate) struct GcMetrics {
        pub(crate) passes: Counter = "eggs_gc_passes_total", "Passes over all shards";
        pub(crate) pass_seconds: Histogram = "eggs_gc_pass_seconds", "Time that a pass took";
        pub(crate) last_pass: Gauge = "eggs_gc_last_pass_timestamp_seconds",
            "When the last pass ended, seconds since 1970";
        files: Counter = "eggs_gc_collected_files_total", "Transient files destroyed";
        snapshots: Counter = "eggs_gc_collected_snapshots_total", "Snapshots collected";
        directories: Counter = "eggs_gc_collected_directories_total", "Removed directories collected";
        blocks: Counter = "eggs_gc_erased_blocks_total", "Blocks erased";
        bytes: Counter = "eggs_gc_erased_bytes_total", "Bytes of erased blocks";
        failures: Counter = "eggs_gc_failures_total", "Requests that failed";
        blocks_left: Gauge = "eggs_gc_waiting_blocks",
            "Blocks that the last pass could not erase";
        waiting: Gauge = "eggs_gc_waiting_directories",
            "Removed directories that wait for what is in them";
        healed_blocks: Counter = "eggs_gc_healed_blocks_total", "Blocks made again";
        healed_bytes: Counter = "eggs_gc_healed_bytes_total", "Bytes of blocks made again";
        heal_failures: Counter = "eggs_gc_heal_failures_total", "Attempts to heal that failed";
        unhealed: Gauge = "eggs_gc_unhealed_blocks",
            "Blocks that are missing or lost and wait for room or for others";
        beyond: Gauge = "eggs_gc_extents_beyond_repair",
            "Extents of which the last look found too little left";
        scrubbed_bytes: Counter = "eggs_gc_scrubbed_bytes_total", "Bytes of blocks verified on their disks";
        reported: Counter = "eggs_gc_reported_blocks_total",
            "Blocks that readers reported and that were found damaged";
        damaged: Counter = "eggs_gc_damaged_blocks_total", "Blocks found damaged";
        pub(crate) scrub_finished: Gauge = "eggs_gc_last_scrub_timestamp_seconds",
            "When everything had been verified the last time, seconds since 1970";
    }
}

impl GcMetrics {
    /// Adds what a look for lost blocks did.
    pub fn healed(&self, tally: &HealTally) {
        self.count_healed(tally);
        let gauge = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.unhealed.set(gauge(tally.waiting));
        self.beyond.set(gauge(tally.beyond));
    }

    fn count_healed(&self, tally: &HealTally) {
        self.healed_blocks.inc_by(tally.blocks);
        self.healed_bytes.inc_by(tally.bytes);
        self.heal_failures.inc_by(tally.failures);
    }

    /// Adds what a part of a scrub did.
    pub fn scrubbed(&self, tally: &ScrubTally) {
        self.scrubbed_bytes.inc_by(tally.bytes);
        self.damaged.inc_by(tally.damaged);
        self.count_healed(&tally.healed);
    }

    /// Adds what came of reports of readers.
    pub fn reported(&self, tally: &ReportedTally) {
        self.reported.inc_by(tally.damaged);
        self.damaged.inc_by(tally.damaged);
        self.count_healed(&tally.healed);
    }

    /// Adds what a pass did.
    pub fn count(&self, tally: &Tally) {
        self.passes.inc();
        self.files.inc_by(tally.files);
        self.snapshots.inc_by(tally.snapshots);
        self.directories.inc_by(tally.directories);
        self.blocks.inc_by(tally.blocks);
        self.bytes.inc_by(tally.bytes);
        self.failures.inc_by(tally.failures);
        let gauge = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.blocks_left.set(gauge(tally.blocks_left));
        self.waiting.set(gauge(tally.waiting));
    }
}
