//! Counters: `/counter-C/nN` exists once the counter has reached N. Whoever creates it has counted.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use eggs_client::ClientError;
use eggs_proto::InodeId;
use eggs_proto::shard::Replace;

use super::Hand;
use super::rotation::Rotation;
use crate::history::{Answer, Operation, Refused};

const COUNTERS: u64 = 2;
const USES_MAX: u64 = 250;
/// Counters are numbered from here on, sets from 0.
const FIRST: u64 = 1_000_000;

pub(super) struct Counters {
    counters: Rotation<Counter>,
    next: AtomicU64,
}

struct Counter {
    id: u64,
    dir: InodeId,
    /// What it has reached, as far as anybody knows.
    reached: AtomicU64,
}

impl Counters {
    pub async fn prepare(hand: &mut Hand) -> Result<Self> {
        let mut counters = Vec::new();
        for id in FIRST..FIRST + COUNTERS {
            let dir = hand.make_directory(InodeId::ROOT, directory(id)).await?;
            let reached = AtomicU64::new(0);
            counters.push(Counter { id, dir, reached });
        }
        Ok(Self {
            counters: Rotation::new(counters, USES_MAX),
            next: AtomicU64::new(FIRST + COUNTERS),
        })
    }

    pub fn directories(&self) -> Vec<InodeId> {
        let current = self.counters.current();
        current.iter().map(|used| used.object.dir).collect()
    }

    pub async fn step(&self, hand: &mut Hand) {
        let (at, used, due) = self.counters.choose(&mut hand.random);
        if due {
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            if let Ok(dir) = hand.mkdir(InodeId::ROOT, directory(id)).await {
                let reached = AtomicU64::new(0);
                self.counters.replace(at, Counter { id, dir, reached });
            }
        }
        let counter = &used.object;
        if hand.random.percent(15) {
            count(hand, counter).await;
            return;
        }
        let number = counter.reached.load(Ordering::Relaxed) + 1;
        let operation = Operation::Take {
            counter: counter.id,
            number,
        };
        let answer = hand.ask(operation, take(hand, counter.dir, number)).await;
        if matches!(
            answer,
            Answer::Done
                | Answer::Refused {
                    why: Refused::Exists
                }
        ) {
            counter.reached.fetch_max(number, Ordering::Relaxed);
        }
    }

    pub async fn finish(&self, hand: &mut Hand) {
        for used in self.counters.all() {
            let (counter, hand) = (&used.object, &*hand);
            let operation = Operation::Count {
                counter: counter.id,
            };
            hand.ask_at_last(operation, || numbers(hand, counter.dir))
                .await;
        }
    }
}

fn directory(id: u64) -> String {
    format!("counter-{id}")
}

async fn take(hand: &Hand, dir: InodeId, number: u64) -> Result<Answer, ClientError> {
    hand.write(dir, format!("n{number}"), &[], Replace::Never)
        .await?;
    Ok(Answer::Done)
}

async fn count(hand: &Hand, counter: &Counter) {
    let operation = Operation::Count {
        counter: counter.id,
    };
    let answer = hand.ask(operation, numbers(hand, counter.dir)).await;
    if let Answer::Elements { elements } = answer {
        let highest = elements.last().copied().unwrap_or(0);
        counter.reached.fetch_max(highest, Ordering::Relaxed);
    }
}

/// The numbers so far. A counter's listing may be interrupted, so a gap in it is judged by the checker only.
async fn numbers(hand: &Hand, dir: InodeId) -> Result<Answer, ClientError> {
    hand.numbers(dir, "n").await
}
