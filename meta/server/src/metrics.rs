//! What both programs count.

use eggs_obs::metric_table;

metric_table! {
    /// What both programs count.
    pub struct NodeMetrics {
        /// Groups led.
        pub led: Gauge = "eggs_meta_led_groups", "Groups that this process leads";
        /// Groups without a leader.
        pub leaderless: Gauge = "eggs_meta_leaderless_groups", "Groups that have no known leader";
    }
}

metric_table! {
    /// What `eggsshard` counts.
    pub struct ShardMetrics {
        /// Queries.
        pub queries: CounterBy = "eggs_shard_queries_total", "Queries by outcome";
        /// Changes.
        pub changes: CounterBy = "eggs_shard_changes_total", "Changes by outcome";
        /// Time of queries.
        pub query_seconds: Histogram = "eggs_shard_query_seconds", "Time to answer a query";
        /// Time of changes.
        pub change_seconds: Histogram = "eggs_shard_change_seconds", "Time to answer a change";
    }
}

metric_table! {
    /// What `eggscdc` counts.
    pub struct CdcMetrics {
        /// Requests.
        pub requests: CounterBy = "eggs_cdc_requests_total", "Requests by outcome";
        /// Transactions under way.
        pub running: Gauge = "eggs_cdc_running_transactions", "Transactions driven by this process";
        /// Steps sent.
        pub steps: CounterBy = "eggs_cdc_steps_total", "Steps answered by shards, by outcome";
        /// Attempts that met a lock.
        pub locked: Counter = "eggs_cdc_locked_steps_total", "Steps that have to wait for a locked name";
        /// Time of steps.
        pub step_seconds: Histogram = "eggs_cdc_step_seconds", "Time until a shard has answered a step";
        /// Time of requests.
        pub request_seconds: Histogram = "eggs_cdc_request_seconds", "Time to answer a request";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_well_formed() {
        let metrics = eggs_obs::Metrics::new("test");
        NodeMetrics::register(&metrics);
        ShardMetrics::register(&metrics);
        CdcMetrics::register(&metrics);
        assert!(metrics.encode().contains("eggs_meta_led_groups 0"));
    }
}
