//! The clock that a leader stamps its proposals with.

use std::time::{SystemTime, UNIX_EPOCH};

use eggs_proto::Time;

/// The wall clock. Machines never let time run backwards, so a clock that jumps does little harm.
pub(crate) fn now() -> Time {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
