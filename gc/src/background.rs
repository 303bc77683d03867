//! The loops beside the collection: healing what is lost, healing what readers found damaged, and scrubbing, for as long as the process lives.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use eggs_client::Client;

use crate::Args;
use crate::heal;
use crate::healer::RemoteHealer;
use crate::metrics::GcMetrics;
use crate::planning::Tried;
use crate::reported;
use crate::scrub::{Position, PositionFile, Rate, ScrubTally, scrub_page};

/// A look that healed nothing, while something waits, is repeated after so many intervals: room rarely comes at once.
const REST_INTERVALS: u32 = 8;
/// After a scrub's request has failed.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

pub(crate) async fn heal_for_ever(client: &Client, args: &Args, metrics: &GcMetrics) {
    let healer = RemoteHealer::new(client);
    let patience = Duration::from_secs(args.heal_after_s);
    let interval = Duration::from_millis(args.heal_interval_ms);
    let mut complained = false;
    loop {
        let began = Instant::now();
        let tally = heal::pass(&healer, patience).await;
        metrics.healed(&tally);
        if tally.blocks > 0 {
            let took_ms = began.elapsed().as_millis() as u64;
            let (blocks, bytes, waiting) = (tally.blocks, tally.bytes, tally.waiting);
            tracing::info!(blocks, bytes, waiting, took_ms, "healed");
        }
        // Once for each time that something begins to go wrong.
        if let (Some(failure), false) = (&tally.failure, complained) {
            let (failures, beyond) = (tally.failures, tally.beyond);
            tracing::warn!(
                failures,
                beyond,
                failure,
                "not everything could be healed; trying again"
            );
        }
        complained = tally.failures > 0;
        let idle = tally.blocks == 0 && tally.waiting + tally.failures > 0;
        tokio::time::sleep(if idle {
            interval * REST_INTERVALS
        } else {
            interval
        })
        .await;
    }
}

pub(crate) async fn heal_reported_for_ever(client: &Client, args: &Args, metrics: &GcMetrics) {
    let healer = RemoteHealer::new(client);
    let interval = Duration::from_millis(args.report_interval_ms);
    let (began, mut tried) = (Instant::now(), Tried::default());
    loop {
        let asked = Instant::now();
        let tally = reported::round(&healer, &mut tried, began.elapsed()).await;
        metrics.reported(&tally);
        if tally.damaged > 0 {
            let (damaged, healed) = (tally.damaged, tally.healed.blocks);
            let failure = tally.healed.failure.as_deref().unwrap_or("none");
            tracing::info!(damaged, healed, failure, "looked at what readers reported");
        }
        // A large cluster is not asked all the time.
        tokio::time::sleep(interval.max(asked.elapsed())).await;
    }
}

pub(crate) async fn scrub_for_ever(client: &Client, args: &Args, metrics: &GcMetrics) {
    let rate = Rate {
        bytes_per_second: args.scrub_mb_per_s.saturating_mul(1_000_000),
    };
    if rate.bytes_per_second == 0 {
        return std::future::pending().await;
    }
    let healer = RemoteHealer::new(client);
    let file = PositionFile::in_directory(&args.dir);
    let mut position = file.load();
    let every = Duration::from_secs_f64(args.scrub_every_h.clamp(0.0, 1e6) * 3600.0);
    let mut began = Instant::now();
    loop {
        let mut tally = ScrubTally::default();
        match scrub_page(&healer, position, rate, &mut tally).await {
            Ok(next) => position = next,
            Err(error) => {
                tracing::debug!(%error, "a part of the scrub failed; trying again");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
        metrics.scrubbed(&tally);
        if position.is_end() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            metrics
                .scrub_finished
                .set(now.map_or(0, |now| now.as_secs() as i64));
            position = Position::default();
            file.save(position);
            let rest = every.saturating_sub(began.elapsed());
            tokio::time::sleep(rest.max(RETRY_PAUSE)).await;
            began = Instant::now();
        } else {
            file.save(position);
        }
    }
}
