//! The four messages of [`eggs_proto::hello`], from both sides.
//!
//! **Invariant:** before the last of them, a peer can make us read at most [`MESSAGE_BYTES_MAX`]
//! bytes per message.
//!
//! The accepting side shows its proof first: an honest peer with the wrong secret finds out by itself
//! and can say so, and one that knows nothing learns only an HMAC over two nonces.

use std::io;

use bytes::Bytes;
use eggs_proto::hello::{Challenge, Confirm, Hello, Nonces, PeerRole, Side, Welcome};
use eggs_proto::{Direction, Header, MessageKind, PROTOCOL_VERSION, PROTOCOL_VERSION_MIN};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;

use crate::Credentials;
use crate::frame_reader::{FrameReader, ReadError};

/// No message of a handshake is longer.
const MESSAGE_BYTES_MAX: u32 = 1024;
/// Longest program name that is kept.
const PROGRAM_BYTES_MAX: usize = 64;
/// Only there because every request has one; each side bounds the whole handshake by itself.
const DEADLINE_MS: u32 = 5_000;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("{0}")]
    Read(#[from] ReadError),
    #[error("connection lost: {0}")]
    Io(#[from] io::Error),
    #[error("peer closed the connection during the handshake")]
    Closed,
    #[error("message before the handshake")]
    NotHello,
    #[error("malformed handshake")]
    Malformed,
    #[error("no protocol version in common: peer speaks {min} to {max}")]
    Version { min: u8, max: u8 },
    #[error("peer does not know the secret of its role")]
    Unauthorized,
}

/// What the accepting side learns.
pub(crate) struct Accepted {
    pub(crate) role: PeerRole,
    pub(crate) program: String,
}

/// The connecting side.
pub(crate) async fn connect(
    reader: &mut FrameReader,
    writer: &mut OwnedWriteHalf,
    credentials: &Credentials,
    program: &str,
) -> Result<(), HandshakeError> {
    let (role, secret) = (credentials.role(), credentials.own_secret());
    let connecting = nonce()?;
    let hello = Hello {
        version_min: PROTOCOL_VERSION_MIN,
        version_max: PROTOCOL_VERSION,
        role,
        nonce: connecting,
        program: sanitized(program),
    };
    send(writer, Direction::Request, 0, &hello).await?;
    let challenge: Challenge = receive(reader, Direction::Answer, 0).await?;
    if !(PROTOCOL_VERSION_MIN..=PROTOCOL_VERSION).contains(&challenge.version) {
        return Err(HandshakeError::Version {
            min: challenge.version,
            max: challenge.version,
        });
    }
    let nonces = Nonces {
        connecting,
        accepting: challenge.nonce,
    };
    if !secret.verify(Side::Accepting, role, &nonces, &challenge.proof) {
        return Err(HandshakeError::Unauthorized);
    }
    let proof = secret.prove(Side::Connecting, role, &nonces);
    send(writer, Direction::Request, 1, &Confirm { proof }).await?;
    let Welcome = receive(reader, Direction::Answer, 1).await?;
    Ok(())
}

/// The accepting side, up to the proof of the other one; [`welcome`] ends it.
pub(crate) async fn accept(
    reader: &mut FrameReader,
    writer: &mut OwnedWriteHalf,
    credentials: &Credentials,
) -> Result<Accepted, HandshakeError> {
    let hello: Hello = receive(reader, Direction::Request, 0).await?;
    let role = hello.role;
    let secret = credentials
        .secret_of(role)
        .ok_or(HandshakeError::Unauthorized)?;
    let nonces = Nonces {
        connecting: hello.nonce,
        accepting: nonce()?,
    };
    let challenge = Challenge {
        version: PROTOCOL_VERSION.min(hello.version_max),
        nonce: nonces.accepting,
        proof: secret.prove(Side::Accepting, role, &nonces),
    };
    if hello.version_min > PROTOCOL_VERSION || hello.version_max < PROTOCOL_VERSION_MIN {
        // Tells the peer what we speak; it will give up.
        let version = PROTOCOL_VERSION;
        let ours = Challenge {
            version,
            ..challenge
        };
        send(writer, Direction::Answer, 0, &ours).await?;
        return Err(HandshakeError::Version {
            min: hello.version_min,
            max: hello.version_max,
        });
    }
    send(writer, Direction::Answer, 0, &challenge).await?;
    let confirm: Confirm = receive(reader, Direction::Request, 1).await?;
    if !secret.verify(Side::Connecting, role, &nonces, &confirm.proof) {
        return Err(HandshakeError::Unauthorized);
    }
    Ok(Accepted {
        role,
        program: sanitized(&hello.program),
    })
}

/// The accepting side's last word: from here on the connection is open.
pub(crate) async fn welcome(writer: &mut OwnedWriteHalf) -> Result<(), HandshakeError> {
    send(writer, Direction::Answer, 1, &Welcome).await
}

fn nonce() -> io::Result<[u8; 16]> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(io::Error::other)?;
    Ok(nonce)
}

/// A name that may be written to a log.
fn sanitized(program: &str) -> String {
    let mut out = String::new();
    for c in program.chars().filter(|c| c.is_ascii_graphic()) {
        if out.len() == PROGRAM_BYTES_MAX {
            break;
        }
        out.push(c);
    }
    out
}

async fn send<M: Serialize>(
    writer: &mut OwnedWriteHalf,
    direction: Direction,
    step: u64,
    message: &M,
) -> Result<(), HandshakeError> {
    let body = postcard::to_stdvec(message).map_err(|_| HandshakeError::Malformed)?;
    let header = Header {
        direction,
        kind: MessageKind::Hello,
        request: step,
        deadline_ms: DEADLINE_MS,
        body_bytes: u32::try_from(body.len()).map_err(|_| HandshakeError::Malformed)?,
        payload_bytes: 0,
    };
    let frame = [&header.encode()[..], &body].concat();
    writer.write_all(&frame).await?;
    Ok(())
}

async fn receive<M: DeserializeOwned>(
    reader: &mut FrameReader,
    direction: Direction,
    step: u64,
) -> Result<M, HandshakeError> {
    let header = reader.header().await?.ok_or(HandshakeError::Closed)?;
    if header.kind != MessageKind::Hello || header.direction != direction {
        return Err(HandshakeError::NotHello);
    }
    let expected = header.request == step && header.payload_bytes == 0;
    if !expected || header.body_bytes > MESSAGE_BYTES_MAX {
        return Err(HandshakeError::Malformed);
    }
    let body: Bytes = reader.bytes(header.body_bytes as usize).await?;
    postcard::from_bytes(&body).map_err(|_| HandshakeError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::sanitized;

    #[test]
    fn program_names_are_short_and_printable() {
        assert_eq!(sanitized("eggsfuse"), "eggsfuse");
        assert_eq!(sanitized("a\n\x1b[31mb ü"), "a[31mb");
        assert_eq!(sanitized(&"x".repeat(1000)).len(), 64);
    }
}
