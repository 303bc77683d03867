//! Whatever bytes a peer sends, and whatever bytes a disk gives back, are read or refused, and never a panic.
//!
//! The instrumented fuzzer would have to build RocksDB first; so this draws its own variations of the kept bytes
//! (`golden/raft.txt`), of which there is one for every kind of question, answer and record. `EGGS_FUZZ_SECONDS` makes it
//! go on for so long from a place of its own; `EGGS_FUZZ_SEED` repeats a failure.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use expect_test::expect_file;
use openraft::entry::EntryPayload;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    VoteRequest, VoteResponse,
};

use super::wire::{
    self, Answer, CheckpointEnd, CheckpointPart, PulseAnswer, PulseQuestion, Question, RestQuestion,
};
use crate::codec;
use crate::state::{Chunk, for_each};
use crate::types::{LogEntry, LogId, Membership, Proposal, SnapshotMeta, StoredMembership, Vote};

/// Variations that are tried with every run of the tests.
const ROUNDS: u64 = 200_000;

/// What reads bytes of one kind: whether it took them.
type Reader = fn(&[u8]) -> bool;

const READERS: [(&str, Reader); 8] = [
    ("question", |bytes| {
        let read = Question::decode(bytes);
        read.is_some_and(|read| {
            same(
                Question::decode(&read.encode()).map(|q| q.encode()),
                &read.encode(),
            )
        })
    }),
    ("answers", |bytes| wire::decode_answers(bytes).is_ok()),
    ("entry", |bytes| {
        codec::decode_entry(bytes)
            .is_ok_and(|read| codec::decode_entry(&codec::encode_entry(&read)).is_ok())
    }),
    ("vote", |bytes| {
        codec::decode_vote(bytes)
            .is_ok_and(|read| codec::decode_vote(&codec::encode_vote(&read)).is_ok())
    }),
    ("log-id", |bytes| codec::decode_log_id(bytes).is_ok()),
    ("membership", |bytes| {
        codec::decode_membership(bytes).is_ok()
    }),
    ("chunk", |bytes| {
        for_each(bytes, |_, key, value| {
            assert!(key.len() + value.len() < bytes.len())
        })
    }),
    ("answer", |bytes| Answer::decode(bytes).is_some()),
];

fn same(again: Option<Bytes>, first: &Bytes) -> bool {
    assert_eq!(again.as_ref(), Some(first), "what was written is read");
    true
}

fn log_id(index: u64) -> LogId {
    LogId::new_term_index(3, index)
}

fn vote() -> Vote {
    Vote::new(5, 1 << 32 | 7)
}

fn members() -> Membership {
    let nodes = std::collections::BTreeSet::from([1u64, 2, 300]);
    Membership::new_with_defaults(vec![[1, 2].into(), [2, 300].into()], nodes)
}

fn stored_members() -> StoredMembership {
    StoredMembership::new(Some(log_id(1)), members())
}

fn entries() -> Vec<LogEntry> {
    let payloads = [
        EntryPayload::Blank,
        EntryPayload::Normal(Proposal(Bytes::from_static(b"commands"))),
        EntryPayload::Membership(members()),
    ];
    let numbered = payloads.into_iter().zip(7..);
    let entry = |(payload, index)| LogEntry {
        log_id: log_id(index),
        payload,
    };
    numbered.map(entry).collect()
}

fn questions() -> Vec<Question> {
    let append = AppendEntriesRequest {
        vote: vote(),
        prev_log_id: Some(log_id(6)),
        entries: entries(),
        leader_commit: Some(log_id(2)),
    };
    let meta = SnapshotMeta {
        last_log_id: Some(log_id(9)),
        last_membership: stored_members(),
    };
    let part = |finish| CheckpointPart {
        transfer: 11,
        sequence: 12,
        finish,
    };
    let end = CheckpointEnd { vote: vote(), meta };
    let rest = RestQuestion {
        vote: vote(),
        last_log: log_id(6),
    };
    let pulse = PulseQuestion {
        rests: vec![(3, 300), (4, 5)],
    };
    vec![
        Question::Append(append),
        Question::Vote(VoteRequest::new(vote(), Some(log_id(4)))),
        Question::PreVote(VoteRequest::new(vote(), None)),
        Question::Transfer(TransferLeaderRequest::new(vote(), 2, Some(log_id(4)))),
        Question::Checkpoint(part(None)),
        Question::Checkpoint(part(Some(end))),
        Question::ReadIndex,
        Question::Rest(rest),
        Question::Pulse(pulse),
    ]
}

fn answers() -> Vec<Answer> {
    vec![
        Answer::Append(AppendEntriesResponse::Success),
        Answer::Append(AppendEntriesResponse::PartialSuccess(Some(log_id(4)))),
        Answer::Append(AppendEntriesResponse::Conflict),
        Answer::Append(AppendEntriesResponse::HigherVote(vote())),
        Answer::Vote(VoteResponse::new(vote(), Some(log_id(4)), true)),
        Answer::CheckpointNext,
        Answer::CheckpointRestart,
        Answer::CheckpointDone(SnapshotResponse::new(vote())),
        Answer::Silent,
        Answer::NoSuchGroup,
        Answer::Stopped,
        Answer::Malformed,
        Answer::Late,
        Answer::ReadIndex(300),
        Answer::NotLeading { leader: Some(7) },
        Answer::Rests,
        Answer::Stays,
        Answer::Follows,
        Answer::Hollow,
        Answer::Pulse(PulseAnswer {
            incarnation: 300,
            disputed: vec![3],
        }),
    ]
}

/// One of every kind, with who reads it.
fn kept() -> Vec<(&'static str, Vec<u8>)> {
    let mut chunk = Chunk::default();
    chunk.push(16, b"key", b"value");
    chunk.push(17, b"", b"");
    let mut kept: Vec<(&str, Vec<u8>)> = questions()
        .iter()
        .map(|question| ("question", question.encode().to_vec()))
        .collect();
    kept.push(("answers", wire::encode_answers(&answers()).to_vec()));
    let encoded = entries();
    kept.extend(
        encoded
            .iter()
            .map(|entry| ("entry", codec::encode_entry(entry))),
    );
    kept.push(("vote", codec::encode_vote(&vote())));
    kept.push(("log-id", codec::encode_log_id(&log_id(300))));
    kept.push(("membership", codec::encode_membership(&stored_members())));
    kept.push(("chunk", chunk.take().to_vec()));
    kept
}

/// What Raft keeps on disk and sends to peers is a format.
#[test]
fn bytes_are_pinned() {
    let mut text = String::new();
    for (kind, bytes) in kept() {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(text, "{kind} {hex}").expect("a string takes all");
        let reader = READERS.iter().find(|(name, _)| *name == kind);
        let (_, reader) = reader.expect("somebody reads it");
        assert!(reader(&bytes), "{kind}");
    }
    expect_file!["../../../../golden/raft.txt"].assert_eq(&text);
}

/// xorshift64*: the same variations for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap_or(0) % end.max(1)
    }

    fn byte(&mut self) -> u8 {
        const FAVOURITES: [u8; 8] = [0, 1, 2, 0x7f, 0x80, 0xfe, 0xff, 0x10];
        match self.below(2) {
            0 => FAVOURITES[self.below(FAVOURITES.len())],
            _ => u8::try_from(self.below(256)).unwrap_or(0),
        }
    }

    /// Changes bytes, cuts, repeats, writes long numbers, mixes two.
    fn vary(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(6) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.byte()),
                2 => {
                    let end = at + self.below(bytes.len() - at + 1);
                    let part = bytes[at..end].to_vec();
                    bytes.splice(at..at, part);
                }
                3 => {
                    let long = vec![0xff; self.below(12)];
                    bytes.splice(at..at, long);
                }
                4 => {
                    let from = self.below(other.len());
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[from..]);
                }
                _ => {
                    let byte = self.byte();
                    if let Some(changed) = bytes.get_mut(at) {
                        *changed = byte;
                    }
                }
            }
        }
    }
}

fn one_round(seed: u64, kept: &[(&str, Vec<u8>)]) -> usize {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut bytes = kept[dice.below(kept.len())].1.clone();
    let other = dice.below(kept.len());
    dice.vary(&mut bytes, &kept[other].1);
    READERS.iter().filter(|(_, reader)| reader(&bytes)).count()
}

#[test]
fn any_bytes_are_read_or_refused() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let kept = kept();
    if let Some(seed) = number("EGGS_FUZZ_SEED") {
        one_round(seed, &kept);
        return;
    }
    let (first, budget) = match number("EGGS_FUZZ_SECONDS") {
        Some(seconds) => (
            u64::from(std::process::id()) << 32,
            Some(Duration::from_secs(seconds)),
        ),
        None => (0, None),
    };
    let (began, mut taken, mut rounds) = (Instant::now(), 0, 0);
    while budget.map_or(rounds < ROUNDS, |budget| began.elapsed() < budget) {
        let seed = first + rounds;
        let round = std::panic::catch_unwind(|| one_round(seed, &kept));
        taken += round.unwrap_or_else(|_| {
            panic!(
                "repeat: EGGS_FUZZ_SEED={seed} cargo nextest run --release -p eggs-raft any_bytes"
            )
        });
        rounds += 1;
    }
    println!("{rounds} variations, {taken} times one was taken for something");
    assert!(
        taken > 0,
        "nothing that was drawn can be read: the variations are useless"
    );
}
