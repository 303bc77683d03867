//! What a leader does about a change when the disks of its group are full. Pure.
//!
//! A refusal goes through the log like any other answer, because a retry of a change that was accepted before must get
//! the first answer; it takes a few bytes of the reserve. When that is used up, too, clients are told at once, and a
//! retry of a change that was accepted just before may be told the same.

use eggs_proto::Growth;
use eggs_proto::hello::PeerRole;
use eggs_proto::registry::SpaceLevel;

/// What there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// The change.
    Enough,
    /// A refusal in the log.
    OnlyToSayNo,
    /// Nothing.
    None,
}

/// Decides for a change that a client or a server asks for.
pub(crate) const fn room_for(growth: Growth, origin: PeerRole, space: SpaceLevel) -> Room {
    match (growth, space, origin) {
        (Growth::Finishes, _, _) | (Growth::Grows, SpaceLevel::Ample, _) => Room::Enough,
        // The CDC takes a refusal for the truth about its step.
        (Growth::Grows, SpaceLevel::Low, _)
        | (Growth::Grows, SpaceLevel::Critical, PeerRole::Server) => Room::OnlyToSayNo,
        (Growth::Grows, SpaceLevel::Critical, PeerRole::Client) => Room::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_frees_space_always_has_room() {
        for space in [SpaceLevel::Ample, SpaceLevel::Low, SpaceLevel::Critical] {
            for origin in [PeerRole::Client, PeerRole::Server] {
                assert_eq!(room_for(Growth::Finishes, origin, space), Room::Enough);
            }
        }
    }

    #[test]
    fn growth_is_refused_and_steps_get_an_answer_that_holds() {
        use PeerRole::{Client, Server};
        use SpaceLevel::{Ample, Critical, Low};
        let room = |origin, space| room_for(Growth::Grows, origin, space);
        assert_eq!(room(Client, Ample), Room::Enough);
        assert_eq!(room(Client, Low), Room::OnlyToSayNo);
        assert_eq!(room(Client, Critical), Room::None);
        assert_eq!(room(Server, Critical), Room::OnlyToSayNo);
    }
}
