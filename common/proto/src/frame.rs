//! The frame: a fixed little-endian header, a postcard body, then the bulk payload.
//!
//! ```text
//! offset size
//!      0    4  magic "EGG1"
//!      4    1  version of the protocol
//!      5    1  flags: bit 0 set in an answer
//!      6    2  message number
//!      8    8  request id, unique among the requests in flight of one connection
//!     16    4  deadline, milliseconds from now; 0 in an answer
//!     20    4  length of the body in bytes
//!     24    4  length of the payload in bytes
//!     28    4  low half of XXH64 (seed 0) over bytes 0..28
//! ```
//!
//! **Invariant:** a header is used only after its checksum, version and lengths were checked.

use xxhash_rust::xxh64::xxh64;

use crate::{BODY_BYTES_MAX, PAYLOAD_BYTES_MAX};

/// Length of a header in bytes.
pub const HEADER_BYTES: usize = 32;
/// First bytes of every frame.
pub const MAGIC: [u8; 4] = *b"EGG1";
/// The protocol version that this build speaks.
pub const PROTOCOL_VERSION: u8 = 1;
/// The oldest protocol version that this build understands.
pub const PROTOCOL_VERSION_MIN: u8 = 1;

/// What a frame carries. Numbers are for ever; retired ones stay listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum MessageKind {
    /// First messages of a connection: [`crate::hello`].
    Hello = 1,
    /// [`crate::ShardCall`], answered by `CallResult<ShardReply>`.
    Shard = 16,
    /// [`crate::CdcRequest`], answered by `CallResult<CdcReply>`.
    Cdc = 17,
    /// [`crate::BlockRequest`], answered by [`crate::block::BlockResult`].
    Block = 18,
    /// [`crate::RegistryRequest`], answered by `CallResult<RegistryReply>`.
    Registry = 19,
    /// [`crate::meta::MetaRequest`], answered by `CallResult<MetaReply>`.
    Meta = 20,
    /// Between replicas of Raft groups; the body belongs to `common/raft`.
    Raft = 64,
}

impl MessageKind {
    /// Reads a message number.
    pub const fn from_u16(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::Hello),
            16 => Some(Self::Shard),
            17 => Some(Self::Cdc),
            18 => Some(Self::Block),
            19 => Some(Self::Registry),
            20 => Some(Self::Meta),
            64 => Some(Self::Raft),
            _ => None,
        }
    }
}

/// Whether a frame asks or answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Asks.
    Request,
    /// Answers the request with the same id.
    Answer,
}

/// A checked header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Asks or answers.
    pub direction: Direction,
    /// What the body is.
    pub kind: MessageKind,
    /// Matches an answer to its request.
    pub request: u64,
    /// Milliseconds from sending after which nobody waits any more.
    pub deadline_ms: u32,
    /// Bytes of body after the header.
    pub body_bytes: u32,
    /// Bytes of payload after the body.
    pub payload_bytes: u32,
}

/// Why a connection is closed on a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// Not our protocol.
    #[error("the peer does not speak the EggsFS protocol")]
    Magic,
    /// A version outside of what this build understands.
    #[error("protocol version {0} is not understood (this build speaks {PROTOCOL_VERSION})")]
    Version(u8),
    /// The checksum over the header does not match.
    #[error("header checksum mismatch")]
    Checksum,
    /// Unknown flags.
    #[error("unknown flags {0:#x}")]
    Flags(u8),
    /// Unknown message number.
    #[error("unknown message number {0}")]
    Message(u16),
    /// A length exceeds its limit.
    #[error("frame of {body} + {payload} bytes exceeds the limit")]
    Oversized {
        /// Announced body length.
        body: u32,
        /// Announced payload length.
        payload: u32,
    },
}

impl Header {
    /// Writes the header.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0u8; HEADER_BYTES];
        out[0..4].copy_from_slice(&MAGIC);
        out[4] = PROTOCOL_VERSION;
        out[5] = match self.direction {
            Direction::Request => 0,
            Direction::Answer => 1,
        };
        out[6..8].copy_from_slice(&(self.kind as u16).to_le_bytes());
        out[8..16].copy_from_slice(&self.request.to_le_bytes());
        out[16..20].copy_from_slice(&self.deadline_ms.to_le_bytes());
        out[20..24].copy_from_slice(&self.body_bytes.to_le_bytes());
        out[24..28].copy_from_slice(&self.payload_bytes.to_le_bytes());
        let sum = checksum(&out);
        out[28..32].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// Reads and checks a header.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, BadHeader> {
        if bytes[0..4] != MAGIC {
            return Err(BadHeader::Magic);
        }
        if !(PROTOCOL_VERSION_MIN..=PROTOCOL_VERSION).contains(&bytes[4]) {
            return Err(BadHeader::Version(bytes[4]));
        }
        if le_u32(bytes, 28) != checksum(bytes) {
            return Err(BadHeader::Checksum);
        }
        let direction = match bytes[5] {
            0 => Direction::Request,
            1 => Direction::Answer,
            other => return Err(BadHeader::Flags(other)),
        };
        let number = u16::from_le_bytes([bytes[6], bytes[7]]);
        let kind = MessageKind::from_u16(number).ok_or(BadHeader::Message(number))?;
        let (body, payload) = (le_u32(bytes, 20), le_u32(bytes, 24));
        if body > BODY_BYTES_MAX || payload > PAYLOAD_BYTES_MAX {
            return Err(BadHeader::Oversized { body, payload });
        }
        let request = u64::from(le_u32(bytes, 8)) | u64::from(le_u32(bytes, 12)) << 32;
        Ok(Self {
            direction,
            kind,
            request,
            deadline_ms: le_u32(bytes, 16),
            body_bytes: body,
            payload_bytes: payload,
        })
    }
}

fn le_u32(bytes: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn checksum(bytes: &[u8; HEADER_BYTES]) -> u32 {
    (xxh64(&bytes[..28], 0) & 0xffff_ffff) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            direction: Direction::Request,
            kind: MessageKind::Shard,
            request: 0x0102_0304_0506_0708,
            deadline_ms: 5000,
            body_bytes: 10,
            payload_bytes: 4096,
        }
    }

    #[test]
    fn comes_back() {
        assert_eq!(Header::decode(&header().encode()), Ok(header()));
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let good = header().encode();
        for bit in 0..HEADER_BYTES * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn oversized_frames_are_refused() {
        let bytes = Header {
            body_bytes: BODY_BYTES_MAX + 1,
            ..header()
        }
        .encode();
        assert!(matches!(
            Header::decode(&bytes),
            Err(BadHeader::Oversized { .. })
        ));
    }
}
