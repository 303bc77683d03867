//! Disks and their states, as people write them.

use eggs_proto::registry::{Latency, StateReason};
use eggs_proto::{BlockServiceId, ServiceState};

/// A state as people see it.
pub(crate) const fn show_state(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Active => "active",
        ServiceState::NoRead => "no_read",
        ServiceState::NoWrite => "no_write",
        ServiceState::Stale => "stale",
        ServiceState::Decommissioned => "decommissioned",
    }
}

/// Why a disk is not active, as people see it.
pub(crate) const fn show_reason(reason: StateReason) -> &'static str {
    match reason {
        StateReason::ByHand => "by hand",
        StateReason::Silent => "silent",
        StateReason::Errors => "errors",
        StateReason::Slow => "slow",
    }
}

/// What 95 in 100 operations of the last minute did not exceed, in milliseconds; `-` if there were none.
pub(crate) fn show_p95(latency: Latency) -> String {
    if latency.count == 0 {
        return "-".to_owned();
    }
    format!("{:.1} ms", f64::from(latency.p95_us) / 1000.0)
}

/// A disk as `status` shows it.
pub(crate) fn parse_service(text: &str) -> Result<BlockServiceId, String> {
    let parsed = u64::from_str_radix(text, 16).ok().filter(|id| *id != 0);
    let id =
        parsed.ok_or_else(|| format!("'{text}' is not a disk such as 00f3a2…; see `disk list`"))?;
    Ok(BlockServiceId(id))
}

/// A state that a person may want.
pub(crate) fn parse_state(text: &str) -> Result<ServiceState, String> {
    let states = [
        ServiceState::Active,
        ServiceState::NoRead,
        ServiceState::NoWrite,
        ServiceState::Decommissioned,
    ];
    let found = states
        .into_iter()
        .find(|state| show_state(*state) == text.replace('-', "_"));
    found.ok_or_else(|| format!("'{text}' is not one of active, no_read, no_write, decommissioned"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_in_milliseconds() {
        let mut latency = Latency::default();
        assert_eq!(show_p95(latency), "-");
        (latency.count, latency.p95_us) = (1, 12_345);
        assert_eq!(show_p95(latency), "12.3 ms");
    }

    #[test]
    fn disks_and_states_are_given_as_they_are_shown() {
        let id = BlockServiceId(0xf3a2_0000_0000_0001);
        assert_eq!(parse_service(&id.to_string()), Ok(id));
        assert!(parse_service("0000000000000000").is_err());
        assert!(parse_service("disk1").is_err());
        assert_eq!(parse_state("no-write"), Ok(ServiceState::NoWrite));
        assert!(parse_state("stale").is_err(), "nobody wants that");
    }
}
