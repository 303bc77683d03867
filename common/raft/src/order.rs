//! Log entries that are not the machine's commands but orders to its replicas.
//!
//! They are told apart from an encoded [`eggs_machine::Entry`] by their beginning: an entry begins with the number of its
//! commands, which is never so large. A program from before there were orders stops at one (`docs/formats.md`).

use bytes::{Bytes, BytesMut};
use eggs_proto::Time;
use serde::{Deserialize, Serialize};

use crate::types::Proposal;

/// As a number of commands this would be 2^32 - 1.
const MARK: [u8; 5] = [0xff, 0xff, 0xff, 0xff, 0x0f];

/// What all replicas of a group are to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Make a digest of the state as of this entry.
    Digest { id: u64 },
    /// The empty group is going to be filled.
    RestoreBegin { restore: u64 },
    /// The next rows.
    RestorePart {
        restore: u64,
        sequence: u32,
        /// The leader's clock.
        now: Time,
        chunk: Bytes,
    },
    /// It is full.
    RestoreEnd { restore: u64, parts: u32 },
}

impl Order {
    pub(crate) fn encode(&self) -> Proposal {
        let body = postcard::to_stdvec(self).expect("orders always encode");
        let mut bytes = BytesMut::with_capacity(MARK.len() + body.len());
        bytes.extend_from_slice(&MARK);
        bytes.extend_from_slice(&body);
        Proposal(bytes.freeze())
    }

    /// `None` if the proposal holds commands; an error if it is an order that does not decode.
    pub(crate) fn decode(proposal: &Proposal) -> Option<Result<Self, postcard::Error>> {
        let body = proposal.0.strip_prefix(&MARK[..])?;
        Some(postcard::from_bytes(body))
    }
}

#[cfg(test)]
mod tests {
    use eggs_machine::Entry;
    use eggs_proto::BATCH_COMMANDS_MAX;

    use super::*;

    #[test]
    fn orders_are_told_from_commands() {
        const { assert!(BATCH_COMMANDS_MAX < u32::MAX as usize) };
        let order = Order::RestorePart {
            restore: 7,
            sequence: 1,
            now: Time(5),
            chunk: Bytes::from_static(b"rows"),
        };
        assert_eq!(Order::decode(&order.encode()), Some(Ok(order)));
        let commands = postcard::to_stdvec(&Entry::default()).unwrap();
        assert_eq!(Order::decode(&Proposal(commands.into())), None);
        let nonsense = [&MARK[..], &[99]].concat();
        assert!(matches!(
            Order::decode(&Proposal(nonsense.into())),
            Some(Err(_))
        ));
    }
}
