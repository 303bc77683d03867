//! Registers: `/registers-D/rK` is a file whose content is a value that no other write of the run has.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use eggs_client::ClientError;
use eggs_proto::InodeId;
use eggs_proto::shard::Replace;

use super::hand::name;
use super::rotation::Rotation;
use super::{Hand, value};
use crate::history::{Answer, Operation};

const DIRECTORIES: u64 = 6;
const REGISTERS: u64 = 8;
const USES_MAX: u64 = 250;

pub(super) struct Registers {
    dirs: Vec<InodeId>,
    keys: Rotation<u64>,
    next_key: AtomicU64,
    next_value: AtomicU64,
}

impl Registers {
    pub async fn prepare(hand: &mut Hand) -> Result<Self> {
        let mut dirs = Vec::new();
        for dir in 0..DIRECTORIES {
            let made = hand.make_directory(InodeId::ROOT, format!("registers-{dir}"));
            dirs.push(made.await?);
        }
        Ok(Self {
            dirs,
            keys: Rotation::new((0..REGISTERS).collect(), USES_MAX),
            next_key: AtomicU64::new(REGISTERS),
            next_value: AtomicU64::new(1),
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
        match hand.random.below(10) {
            0..=4 => {
                let read = self.read(hand, key);
                hand.ask(Operation::Read { key }, read).await;
            }
            5 => {
                let write = self.write(hand, key, value, Replace::Never);
                hand.ask(Operation::Create { key, value }, write).await;
            }
            6 => {
                let delete = self.delete(hand, key);
                hand.ask(Operation::Delete { key }, delete).await;
            }
            7 => {
                let beside = hand.random.below(self.dirs.len());
                let rename = self.rename_over(hand, key, value, self.dirs[beside]);
                hand.ask(Operation::RenameOver { key, value }, rename).await;
            }
            _ => {
                let write = self.write(hand, key, value, Replace::Files);
                hand.ask(Operation::Replace { key, value }, write).await;
            }
        }
    }

    pub async fn finish(&self, hand: &mut Hand) {
        for used in self.keys.all() {
            let key = used.object;
            let hand = &*hand;
            hand.ask_at_last(Operation::Read { key }, || self.read(hand, key))
                .await;
        }
    }

    async fn read(&self, hand: &Hand, key: u64) -> Result<Answer, ClientError> {
        let dentry = match hand.client.lookup(self.dir(key), &name(file(key))).await {
            Ok(dentry) => dentry,
            Err(error) if error.is_not_found() => return Ok(Answer::Value { value: None }),
            Err(error) => return Err(error),
        };
        let reader = hand.client.open(dentry.inode).await?;
        let size = usize::try_from(reader.size()).unwrap_or(usize::MAX);
        Ok(value::decode(&reader.read_at(0, size).await?))
    }

    async fn write(
        &self,
        hand: &Hand,
        key: u64,
        value: u64,
        replace: Replace,
    ) -> Result<Answer, ClientError> {
        let content = value::encode(value);
        hand.write(self.dir(key), file(key), &content, replace)
            .await
            .map(|()| Answer::Done)
    }

    async fn delete(&self, hand: &Hand, key: u64) -> Result<Answer, ClientError> {
        let name = name(file(key));
        let unlinked = hand.client.unlink(self.dir(key), &name, None);
        unlinked.await.map(|()| Answer::Done)
    }

    async fn rename_over(
        &self,
        hand: &Hand,
        key: u64,
        value: u64,
        beside: InodeId,
    ) -> Result<Answer, ClientError> {
        let other = format!("new-{value}");
        let content = value::encode(value);
        if let Err(error) = hand
            .write(beside, other.clone(), &content, Replace::Never)
            .await
        {
            let why = format!("write beside: {error}");
            return Ok(Answer::Failed { why });
        }
        let target = (self.dir(key), file(key));
        match hand.rename((beside, other), target, Replace::Files).await {
            Ok(()) => Ok(Answer::Done),
            Err(error) if error.is_not_found() => Ok(Answer::Wrong {
                why: "a file that was acknowledged is not there to be renamed".into(),
            }),
            Err(error) => Err(error),
        }
    }
}

fn file(key: u64) -> String {
    format!("r{key}")
}
