//! Headers and handshakes: what an unauthenticated connection can send.

use eggs_proto::hello::{Challenge, Confirm, Hello, Welcome};
use eggs_proto::{HEADER_BYTES, Header};

use crate::messages::read;

/// Bytes of a connection that has proved nothing yet.
pub fn frame(bytes: &[u8]) {
    if let Some((header, body)) = bytes.split_first_chunk::<HEADER_BYTES>() {
        if let Ok(header) = Header::decode(header) {
            let again = Header::decode(&header.encode()).expect("what was written can be read");
            assert_eq!(header, again);
        }
        hello(body);
    }
    hello(bytes);
}

fn hello(bytes: &[u8]) {
    read::<Hello>(bytes);
    read::<Challenge>(bytes);
    read::<Confirm>(bytes);
    read::<Welcome>(bytes);
}
