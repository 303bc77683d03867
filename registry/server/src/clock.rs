//! The one place that asks for the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use eggs_proto::Time;

/// Now, as a leader stamps it.
pub(crate) fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Time(since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }))
}
