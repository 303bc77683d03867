//! Disks and their states, as people write them.

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
    fn disks_and_states_are_given_as_they_are_shown() {
        let id = BlockServiceId(0xf3a2_0000_0000_0001);
        assert_eq!(parse_service(&id.to_string()), Ok(id));
        assert!(parse_service("0000000000000000").is_err());
        assert!(parse_service("disk1").is_err());
        assert_eq!(parse_state("no-write"), Ok(ServiceState::NoWrite));
        assert!(parse_state("stale").is_err(), "nobody wants that");
    }
}
