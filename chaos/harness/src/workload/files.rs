//! Files of up to 6 MB, all of them in blocks, read in pieces beginning anywhere. Each is a register of its own, so that
//! what is read is checked byte for byte and the order of events as that of any register.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use eggs_client::ClientError;
use eggs_proto::InodeId;
use eggs_proto::shard::Replace;

use super::hand::name;
use super::rotation::Rotation;
use super::{Hand, value};
use crate::history::{Answer, Operation};

const DIRECTORIES: u64 = 4;
/// Files in use at a time.
const FILES: u64 = 8;
const USES_MAX: u64 = 120;
/// Registers of this number and above are files of this workload.
const FIRST: u64 = 1 << 40;
/// Reads ask for so many bytes at a time.
const PIECES: [usize; 3] = [200_000, 1 << 20, 8 << 20];

pub(super) struct Files {
    dirs: Vec<InodeId>,
    keys: Rotation<u64>,
    next_key: AtomicU64,
    next_value: AtomicU64,
}

/// How a file is read.
#[derive(Clone, Copy)]
struct Pieces {
    bytes: usize,
    /// The piece to begin with; those before it follow at last.
    first: usize,
}

impl Files {
    pub async fn prepare(hand: &mut Hand) -> Result<Self> {
        let mut dirs = Vec::new();
        for dir in 0..DIRECTORIES {
            let made = hand.make_directory(InodeId::ROOT, format!("files-{dir}"));
            dirs.push(made.await?);
        }
        Ok(Self {
            dirs,
            keys: Rotation::new((FIRST..FIRST + FILES).collect(), USES_MAX),
            next_key: AtomicU64::new(FIRST + FILES),
            next_value: AtomicU64::new(value::LARGE),
        })
    }

    pub fn directories(&self) -> Vec<InodeId> {
        self.dirs.clone()
    }

    fn dir(&self, key: u64) -> InodeId {
        self.dirs[(key % DIRECTORIES) as usize]
    }

    pub async fn step(&self, hand: &mut Hand) {
        let (at, used, due) = self.keys.choose(&mut hand.random);
        if due {
            let key = self.next_key.fetch_add(1, Ordering::Relaxed);
            self.keys.replace(at, key);
        }
        let key = used.object;
        let value = self.next_value.fetch_add(1, Ordering::Relaxed);
        match hand.random.below(16) {
            0 | 1 => {
                let write = self.write(hand, key, value, Replace::Never);
                hand.ask(Operation::Create { key, value }, write).await;
            }
            2 => {
                let write = self.write(hand, key, value, Replace::Files);
                hand.ask(Operation::Replace { key, value }, write).await;
            }
            3 => {
                let name = name(file(key));
                let unlinked = hand.client.unlink(self.dir(key), &name, None);
                let delete = async { unlinked.await.map(|()| Answer::Done) };
                hand.ask(Operation::Delete { key }, delete).await;
            }
            _ => {
                let bytes = PIECES[hand.random.below(PIECES.len())];
                let first = hand.random.below(usize::MAX);
                let read = self.read(hand, key, Pieces { bytes, first });
                hand.ask(Operation::Read { key }, read).await;
            }
        }
    }

    pub async fn finish(&self, hand: &mut Hand) {
        let whole = Pieces {
            bytes: PIECES[1],
            first: 0,
        };
        for used in self.keys.all() {
            let (key, hand) = (used.object, &*hand);
            hand.ask_at_last(Operation::Read { key }, || self.read(hand, key, whole))
                .await;
        }
    }

    async fn read(&self, hand: &Hand, key: u64, pieces: Pieces) -> Result<Answer, ClientError> {
        let dentry = match hand.client.lookup(self.dir(key), &name(file(key))).await {
            Ok(dentry) => dentry,
            Err(error) if error.is_not_found() => return Ok(Answer::Value { value: None }),
            Err(error) => return Err(error),
        };
        let reader = hand.client.open(dentry.inode).await?;
        let size = usize::try_from(reader.size()).unwrap_or(usize::MAX);
        let count = size.div_ceil(pieces.bytes);
        let mut parts = vec![bytes::Bytes::new(); count];
        for turn in 0..count {
            let piece = (pieces.first % count + turn) % count;
            let begin = piece * pieces.bytes;
            let len = pieces.bytes.min(size - begin);
            parts[piece] = reader.read_at(begin as u64, len).await?;
        }
        Ok(value::decode(&parts.concat()))
    }

    async fn write(
        &self,
        hand: &Hand,
        key: u64,
        value: u64,
        replace: Replace,
    ) -> Result<Answer, ClientError> {
        let content = value::encode(value);
        let written = hand.write(self.dir(key), file(key), &content, replace);
        written.await.map(|()| Answer::Done)
    }
}

fn file(key: u64) -> String {
    format!("f{}", key - FIRST)
}
