//! How one input holds several messages.

use eggs_proto::{decode, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Most messages of one input; more would only make it slow.
const MESSAGES_MAX: usize = 48;

/// A message and a byte that says how to treat it.
pub(crate) struct Message<'a> {
    pub(crate) tag: u8,
    pub(crate) body: &'a [u8],
}

/// Splits an input: a tag, a length of two bytes (little-endian), and so many bytes, again and again.
pub(crate) fn split(mut input: &[u8]) -> Vec<Message<'_>> {
    let mut found = Vec::new();
    while let [tag, low, high, rest @ ..] = input
        && found.len() < MESSAGES_MAX
    {
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        let (body, later) = rest.split_at(length.min(rest.len()));
        found.push(Message { tag: *tag, body });
        input = later;
    }
    found
}

/// Appends a message, so that [`split`] finds it.
pub fn push(input: &mut Vec<u8>, tag: u8, body: &[u8]) {
    let length = u16::try_from(body.len()).expect("seeds are small");
    input.push(tag);
    input.extend(length.to_le_bytes());
    input.extend(body);
}

/// Reads a message as a server does; what can be read must survive being written and read again.
pub(crate) fn read<T>(bytes: &[u8]) -> Option<T>
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let message: T = decode(bytes).ok()?;
    let again: T = decode(&encode(&message)).expect("what was written can be read");
    assert_eq!(message, again);
    Some(message)
}
