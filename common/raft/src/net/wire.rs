//! The body of a [`eggs_proto::MessageKind::Raft`] frame.
//!
//! A request is a version (1), the process it is meant for (8), then for each question: group (2), length (4),
//! question. An answer is a version (1), a status (1), then for each question in order: length (4), answer. Numbers are
//! little-endian, questions and answers are postcard. The payload is one chunk of a checkpoint, or empty.
//!
//! **Invariant:** a frame holds at most [`FRAME_QUESTIONS_MAX`] questions; nothing is sized by a peer's word.

use bytes::{BufMut, Bytes, BytesMut};
use eggs_proto::registry::SpaceLevel;
use eggs_proto::{GroupId, NodeId};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use serde::{Deserialize, Serialize};

use crate::types::{LogId, SnapshotMeta, TypeConfig, Vote};

/// Changes with every change of what questions and answers look like, those of openraft included.
const WIRE_VERSION: u8 = 3;
/// Most questions in one frame.
pub(crate) const FRAME_QUESTIONS_MAX: usize = 1024;

/// What one replica asks another of the same group.
#[derive(Serialize, Deserialize)]
pub(crate) enum Question {
    Append(AppendEntriesRequest<TypeConfig>),
    Vote(VoteRequest<TypeConfig>),
    PreVote(VoteRequest<TypeConfig>),
    Transfer(TransferLeaderRequest<TypeConfig>),
    Checkpoint(CheckpointPart),
    /// How much space the process has, whatever the group.
    Space,
    /// How far the log is committed, asked by a follower for a read. Older peers answer `Malformed`.
    ReadIndex,
    Rest(RestQuestion),
    /// Of a process, not of a replica: it names [`PULSE_GROUP`].
    Pulse(PulseQuestion),
}

/// The group that a question to the process as a whole names.
pub(crate) const PULSE_GROUP: GroupId = GroupId(u16::MAX);

/// May the group rest, for all that its leader knows?
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct RestQuestion {
    /// The leader's.
    pub(crate) vote: Vote,
    /// Its last entry, which is applied.
    pub(crate) last_log: LogId,
}

/// Does the process live?
#[derive(Serialize, Deserialize)]
pub(crate) struct PulseQuestion {
    /// Groups that rest at the sender under the receiver, and in which term; at times.
    pub(crate) rests: Vec<(u16, u64)>,
}

/// It does.
#[derive(Serialize, Deserialize)]
pub(crate) struct PulseAnswer {
    /// Names this life of the process.
    pub(crate) incarnation: u64,
    /// Groups of the question that do not rest under this process.
    pub(crate) disputed: Vec<u16>,
}

/// One step of sending a checkpoint; the chunk itself is the payload.
#[derive(Serialize, Deserialize)]
pub(crate) struct CheckpointPart {
    /// Names the attempt.
    pub(crate) transfer: u64,
    /// Counts its chunks from zero.
    pub(crate) sequence: u32,
    /// Set in the last part, which has no chunk.
    pub(crate) finish: Option<CheckpointEnd>,
}

/// What a complete checkpoint is.
#[derive(Serialize, Deserialize)]
pub(crate) struct CheckpointEnd {
    pub(crate) vote: Vote,
    pub(crate) meta: SnapshotMeta,
}

/// What a replica answers.
#[derive(Serialize, Deserialize)]
pub(crate) enum Answer {
    Append(AppendEntriesResponse<TypeConfig>),
    Vote(VoteResponse<TypeConfig>),
    Transfer(TransferLeaderResponse<TypeConfig>),
    /// The next part may come.
    CheckpointNext,
    /// The receiver knows nothing of this attempt (any more).
    CheckpointRestart,
    CheckpointDone(SnapshotResponse<TypeConfig>),
    /// Just restarted: no votes yet.
    Silent,
    NoSuchGroup,
    Stopped,
    /// The question does not decode.
    Malformed,
    /// It took too long.
    Late,
    Space(SpaceLevel),
    /// Everything that was answered before the question came is at most here.
    ReadIndex(u64),
    /// This replica does not lead, as far as it knows; a leader of which it knows may.
    NotLeading {
        leader: Option<u64>,
    },
    /// The replica rests from now on.
    Rests,
    /// It does not: it knows something else than its leader.
    Stays,
    /// It follows a leader whose process lives, and votes for nobody else.
    Follows,
    Pulse(PulseAnswer),
    /// It has given its state away: it takes a checkpoint and nothing else. Older peers do not know this answer, and ask again.
    Hollow,
}

/// A frame that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadFrame {
    #[error("another version of the replica protocol")]
    Version,
    #[error("malformed")]
    Malformed,
    #[error("the peer could not read our frame")]
    Refused,
    #[error("another process has this address")]
    Misdirected,
}

const STATUS_ANSWERS: u8 = 0;
const STATUS_MALFORMED: u8 = 1;
const STATUS_MISDIRECTED: u8 = 2;

impl Question {
    pub(crate) fn encode(&self) -> Bytes {
        Bytes::from(postcard::to_stdvec(self).expect("questions always encode"))
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        whole(bytes)
    }
}

impl Answer {
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        whole(bytes)
    }
}

/// Reads a value that is all there is.
fn whole<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Some(value),
        Ok((_, [_, ..])) | Err(_) => None,
    }
}

pub(crate) fn encode_questions<'a>(
    to: NodeId,
    questions: impl Iterator<Item = (GroupId, &'a Bytes)>,
) -> Bytes {
    let mut body = BytesMut::new();
    body.put_u8(WIRE_VERSION);
    body.put_u64_le(to.get());
    for (group, question) in questions {
        body.put_u16_le(group.0);
        put_part(&mut body, question);
    }
    body.freeze()
}

/// The questions of a frame that was meant for `me`.
pub(crate) fn decode_questions(
    me: NodeId,
    mut body: &[u8],
) -> Result<Vec<(GroupId, &[u8])>, BadFrame> {
    check_version(&mut body)?;
    let (to, rest) = body.split_first_chunk::<8>().ok_or(BadFrame::Malformed)?;
    if u64::from_le_bytes(*to) != me.get() {
        return Err(BadFrame::Misdirected);
    }
    body = rest;
    let mut questions = Vec::new();
    while let Some((group, rest)) = body.split_first_chunk::<2>() {
        body = rest;
        let question = take_part(&mut body)?;
        if questions.len() == FRAME_QUESTIONS_MAX {
            return Err(BadFrame::Malformed);
        }
        questions.push((GroupId(u16::from_le_bytes(*group)), question));
    }
    if body.is_empty() {
        Ok(questions)
    } else {
        Err(BadFrame::Malformed)
    }
}

pub(crate) fn encode_answers(answers: &[Answer]) -> Bytes {
    let mut body = BytesMut::new();
    body.put_u8(WIRE_VERSION);
    body.put_u8(STATUS_ANSWERS);
    for answer in answers {
        let bytes = postcard::to_stdvec(answer).expect("answers always encode");
        put_part(&mut body, &bytes);
    }
    body.freeze()
}

pub(crate) fn refusal(cause: BadFrame) -> Bytes {
    Bytes::from_static(match cause {
        BadFrame::Misdirected => &[WIRE_VERSION, STATUS_MISDIRECTED],
        BadFrame::Version | BadFrame::Malformed | BadFrame::Refused => {
            &[WIRE_VERSION, STATUS_MALFORMED]
        }
    })
}

/// Whether an answer says that the question has reached the wrong process.
pub(crate) fn is_misdirected(answer: &[u8]) -> bool {
    answer == [WIRE_VERSION, STATUS_MISDIRECTED]
}

pub(crate) fn decode_answers(mut body: &[u8]) -> Result<Vec<Answer>, BadFrame> {
    check_version(&mut body)?;
    match body.split_first() {
        Some((&STATUS_ANSWERS, rest)) => body = rest,
        Some((&STATUS_MALFORMED, _)) => return Err(BadFrame::Refused),
        Some((&STATUS_MISDIRECTED, _)) => return Err(BadFrame::Misdirected),
        _ => return Err(BadFrame::Malformed),
    }
    let mut answers = Vec::new();
    while !body.is_empty() {
        let part = take_part(&mut body)?;
        if answers.len() == FRAME_QUESTIONS_MAX {
            return Err(BadFrame::Malformed);
        }
        answers.push(Answer::decode(part).ok_or(BadFrame::Malformed)?);
    }
    Ok(answers)
}

fn check_version(body: &mut &[u8]) -> Result<(), BadFrame> {
    match body.split_first() {
        Some((&WIRE_VERSION, rest)) => {
            *body = rest;
            Ok(())
        }
        Some(_) => Err(BadFrame::Version),
        None => Err(BadFrame::Malformed),
    }
}

fn put_part(body: &mut BytesMut, part: &[u8]) {
    let length = u32::try_from(part.len()).expect("questions and answers are far below 4 GiB");
    body.put_u32_le(length);
    body.put_slice(part);
}

fn take_part<'a>(body: &mut &'a [u8]) -> Result<&'a [u8], BadFrame> {
    let (length, rest) = body.split_first_chunk::<4>().ok_or(BadFrame::Malformed)?;
    let (part, rest) = usize::try_from(u32::from_le_bytes(*length))
        .ok()
        .and_then(|length| rest.split_at_checked(length))
        .ok_or(BadFrame::Malformed)?;
    *body = rest;
    Ok(part)
}

#[cfg(test)]
mod tests {
    use eggs_proto::ProcessRole;

    use super::*;

    const ME: NodeId = NodeId::new(ProcessRole::Shard, 1);

    #[test]
    fn questions_come_back_and_nonsense_does_not() {
        let (one, two) = (Bytes::from_static(b"one"), Bytes::from_static(b""));
        let body = encode_questions(ME, [(GroupId(1), &one), (GroupId(700), &two)].into_iter());
        let read = decode_questions(ME, &body).unwrap();
        assert_eq!(read, [(GroupId(1), &b"one"[..]), (GroupId(700), &b""[..])]);
        for cut in 1..body.len() {
            let whole = decode_questions(ME, &body[..cut]);
            assert!(cut == 9 || cut == 18 || whole.is_err(), "{cut}: {whole:?}");
        }
        assert_eq!(decode_questions(ME, &[]), Err(BadFrame::Malformed));
        assert_eq!(decode_questions(ME, &[9]), Err(BadFrame::Version));
        let mut endless = body[..9].to_vec();
        endless.extend_from_slice(&[0, 0, 255, 255, 255, 255]);
        assert_eq!(decode_questions(ME, &endless), Err(BadFrame::Malformed));
    }

    #[test]
    fn who_is_not_meant_does_not_answer() {
        let other = NodeId::new(ProcessRole::Shard, 2);
        let body = encode_questions(ME, [(GroupId(1), &Bytes::new())].into_iter());
        let read = decode_questions(other, &body);
        assert_eq!(read, Err(BadFrame::Misdirected));
        let answer = refusal(BadFrame::Misdirected);
        assert!(is_misdirected(&answer) && !is_misdirected(&encode_answers(&[])));
        assert!(matches!(
            decode_answers(&answer),
            Err(BadFrame::Misdirected)
        ));
    }

    #[test]
    fn answers_come_back() {
        let body = encode_answers(&[Answer::Silent, Answer::CheckpointNext]);
        let answers = decode_answers(&body).unwrap();
        assert!(matches!(
            answers[..],
            [Answer::Silent, Answer::CheckpointNext]
        ));
        assert!(matches!(
            decode_answers(&refusal(BadFrame::Malformed)),
            Err(BadFrame::Refused)
        ));
        assert!(decode_answers(&body[..body.len() - 1]).is_err());
    }
}
