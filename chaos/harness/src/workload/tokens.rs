//! Tokens: `/place-P/token-T` exists in exactly one place, however it is renamed around.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use eggs_client::ClientError;
use eggs_proto::InodeId;
use eggs_proto::shard::Replace;

use super::Hand;
use super::rotation::Rotation;
use crate::history::{Answer, Operation};

const PLACES: u64 = 8;
const TOKENS: u64 = 4;
const USES_MAX: u64 = 250;

pub(super) struct Tokens {
    places: Vec<InodeId>,
    tokens: Rotation<Token>,
    next: AtomicU64,
}

struct Token {
    id: u64,
    /// Where it was put last, as far as anybody knows.
    place: AtomicU64,
}

impl Tokens {
    pub async fn prepare(hand: &mut Hand) -> Result<Self> {
        let mut places = Vec::new();
        for place in 0..PLACES {
            let made = hand.make_directory(InodeId::ROOT, format!("place-{place}"));
            places.push(made.await?);
        }
        let mut tokens = Vec::new();
        for id in 0..TOKENS {
            let placed = place(hand, &places, id).await;
            tokens.push(placed.context("place a token")?);
        }
        Ok(Self {
            places,
            tokens: Rotation::new(tokens, USES_MAX),
            next: AtomicU64::new(TOKENS),
        })
    }

    pub fn directories(&self) -> Vec<InodeId> {
        self.places.clone()
    }

    pub async fn step(&self, hand: &mut Hand) {
        let (slot, used, due) = self.tokens.choose(&mut hand.random);
        if due {
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            if let Some(token) = place(hand, &self.places, id).await {
                self.tokens.replace(slot, token);
            }
        }
        let token = &used.object;
        let (id, known) = (token.id, token.place.load(Ordering::Relaxed));
        let guess = |hand: &mut Hand, of_hundred| match hand.random.percent(of_hundred) {
            true => known,
            false => hand.random.between(0, PLACES),
        };
        match hand.random.below(10) {
            0..=2 => {
                let at = guess(hand, 50);
                let look = self.look(hand, id, at);
                hand.ask(Operation::Look { token: id, at }, look).await;
            }
            3 => {
                let at = guess(hand, 30);
                self.look_around(hand, at).await;
            }
            _ => {
                let from = guess(hand, 85);
                let to = (from + hand.random.between(1, PLACES)) % PLACES;
                let operation = Operation::Move {
                    token: id,
                    from,
                    to,
                };
                let moved = hand.ask(operation, self.carry(hand, id, from, to)).await;
                if moved == Answer::Done {
                    token.place.store(to, Ordering::Relaxed);
                }
            }
        }
    }

    pub async fn finish(&self, hand: &mut Hand) {
        for used in self.tokens.all() {
            let token = used.object.id;
            for at in 0..PLACES {
                let hand = &*hand;
                hand.ask_at_last(Operation::Look { token, at }, || self.look(hand, token, at))
                    .await;
            }
        }
    }

    async fn look(&self, hand: &Hand, token: u64, at: u64) -> Result<Answer, ClientError> {
        let found = hand.exists(self.places[at as usize], file(token)).await?;
        Ok(Answer::Found { found })
    }

    /// Lists a place, which tells of every token whether it is there.
    async fn look_around(&self, hand: &Hand, at: u64) {
        let current = self.tokens.current();
        let looks: Vec<_> = current
            .iter()
            .map(|used| {
                let token = used.object.id;
                let operation = Operation::Look { token, at };
                (token, hand.recorder.call(hand.worker, operation))
            })
            .collect();
        let names = hand.names(self.places[at as usize]).await;
        for (token, ticket) in looks {
            let is_token = |(name, _): &(Vec<u8>, InodeId)| *name == file(token).into_bytes();
            let answer = match &names {
                Ok(names) => match names.iter().filter(|name| is_token(name)).count() {
                    0 => Answer::Found { found: false },
                    1 => Answer::Found { found: true },
                    _more => Answer::Wrong {
                        why: "a listing has a token twice".into(),
                    },
                },
                Err(error) => Answer::Failed {
                    why: error.to_string(),
                },
            };
            hand.recorder.answer(ticket, answer);
        }
    }

    async fn carry(&self, hand: &Hand, id: u64, from: u64, to: u64) -> Result<Answer, ClientError> {
        let source = (self.places[from as usize], file(id));
        let target = (self.places[to as usize], file(id));
        hand.rename(source, target, Replace::Never).await?;
        Ok(Answer::Done)
    }
}

/// Makes a token; it is used only if that is acknowledged.
async fn place(hand: &mut Hand, places: &[InodeId], id: u64) -> Option<Token> {
    let at = hand.random.between(0, PLACES);
    let hand = &*hand;
    let operation = Operation::Place { token: id, at };
    let placed = hand.ask(operation, async {
        hand.write(places[at as usize], file(id), &[], Replace::Never)
            .await?;
        Ok(Answer::Done)
    });
    (placed.await == Answer::Done).then(|| Token {
        id,
        place: AtomicU64::new(at),
    })
}

fn file(token: u64) -> String {
    format!("token-{token}")
}
