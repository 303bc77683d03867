//! Sets: `/set-S/eN` exists while N is in the set. Every fifth name is a directory, the others are empty files.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use eggs_client::ClientError;
use eggs_proto::InodeId;
use eggs_proto::shard::Replace;

use super::Hand;
use super::hand::name;
use super::rotation::Rotation;
use crate::history::{Answer, Operation};

const SETS: u64 = 4;
const USES_MAX: u64 = 250;

pub(super) struct Sets {
    sets: Rotation<Set>,
    next: AtomicU64,
}

struct Set {
    id: u64,
    dir: InodeId,
    next: AtomicU64,
}

impl Sets {
    pub async fn prepare(hand: &mut Hand) -> Result<Self> {
        let mut sets = Vec::new();
        for id in 0..SETS {
            let dir = hand.make_directory(InodeId::ROOT, directory(id)).await?;
            let next = AtomicU64::new(0);
            sets.push(Set { id, dir, next });
        }
        Ok(Self {
            sets: Rotation::new(sets, USES_MAX),
            next: AtomicU64::new(SETS),
        })
    }

    pub fn directories(&self) -> Vec<InodeId> {
        let current = self.sets.current();
        current.iter().map(|used| used.object.dir).collect()
    }

    pub async fn step(&self, hand: &mut Hand) {
        let (at, used, due) = self.sets.choose(&mut hand.random);
        if due {
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            if let Ok(dir) = hand.mkdir(InodeId::ROOT, directory(id)).await {
                let next = AtomicU64::new(0);
                self.sets.replace(at, Set { id, dir, next });
            }
        }
        let set = &used.object;
        let known = set.next.load(Ordering::Relaxed).max(1);
        let id = set.id;
        match hand.random.below(10) {
            0..=2 => {
                let list = hand.numbers(set.dir, "e");
                hand.ask(Operation::List { set: id }, list).await;
            }
            3 | 4 => {
                let element = hand.random.between(0, known);
                let remove = remove(hand, set.dir, element);
                hand.ask(Operation::Remove { set: id, element }, remove)
                    .await;
            }
            5 => {
                let element = hand.random.between(0, known);
                let add = add(hand, set.dir, element);
                hand.ask(Operation::Add { set: id, element }, add).await;
            }
            _ => {
                let element = set.next.fetch_add(1, Ordering::Relaxed);
                let add = add(hand, set.dir, element);
                hand.ask(Operation::Add { set: id, element }, add).await;
            }
        }
    }

    pub async fn finish(&self, hand: &mut Hand) {
        for used in self.sets.all() {
            let set = &used.object;
            let hand = &*hand;
            hand.ask_at_last(Operation::List { set: set.id }, || {
                hand.numbers(set.dir, "e")
            })
            .await;
        }
    }
}

fn directory(id: u64) -> String {
    format!("set-{id}")
}

const fn is_directory(element: u64) -> bool {
    element % 5 == 4
}

async fn add(hand: &Hand, dir: InodeId, element: u64) -> Result<Answer, ClientError> {
    let text = format!("e{element}");
    if is_directory(element) {
        hand.mkdir(dir, text).await?;
    } else {
        hand.write(dir, text, &[], Replace::Never).await?;
    }
    Ok(Answer::Done)
}

async fn remove(hand: &Hand, dir: InodeId, element: u64) -> Result<Answer, ClientError> {
    let name = name(format!("e{element}"));
    if is_directory(element) {
        hand.client.remove_directory(dir, &name).await?;
    } else {
        hand.client.unlink(dir, &name, None).await?;
    }
    Ok(Answer::Done)
}
