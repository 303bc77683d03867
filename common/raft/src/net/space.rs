//! Asking a peer how much space it has.

use std::time::Duration;

use bytes::Bytes;
use eggs_proto::registry::SpaceLevel;
use eggs_proto::{GroupId, NodeId};

use super::wire::{Answer, Question, decode_answers, encode_questions};
use crate::Transport;

/// `None` if it does not say.
pub(crate) async fn ask_space(
    transport: &dyn Transport,
    peer: NodeId,
    patience: Duration,
) -> Option<SpaceLevel> {
    let question = Question::Space.encode();
    let frame = encode_questions(peer, [(GroupId::REGISTRY, &question)].into_iter());
    let sent = transport.send(peer, frame, Bytes::new(), patience).await;
    match decode_answers(&sent.ok()?.0).ok()?[..] {
        [Answer::Space(level)] => Some(level),
        _ => None, // an older version does not understand the question
    }
}
