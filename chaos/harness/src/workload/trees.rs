//! Trees: below `/tree-T` there are always directories `d1` to `d6`, each somewhere below another.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use anyhow::{Context, Result};
use eggs_client::ClientError;
use eggs_proto::InodeId;
use eggs_proto::shard::Replace;

use super::Hand;
use super::rotation::Rotation;
use crate::history::{Answer, Operation};

const TREES: u64 = 2;
const DIRECTORIES: u8 = 7;
const USES_MAX: u64 = 300;

pub(super) struct Trees {
    trees: Rotation<Tree>,
    next: AtomicU64,
}

struct Tree {
    id: u64,
    /// By number; the root of the tree is 0.
    dirs: Vec<InodeId>,
    /// Where each was put last, as far as anybody knows.
    parents: Vec<AtomicU8>,
}

impl Trees {
    pub async fn prepare(hand: &mut Hand) -> Result<Self> {
        let mut trees = Vec::new();
        for id in 0..TREES {
            trees.push(plant(hand, id).await.context("make a tree")?);
        }
        Ok(Self {
            trees: Rotation::new(trees, USES_MAX),
            next: AtomicU64::new(TREES),
        })
    }

    pub fn directories(&self) -> Vec<InodeId> {
        let current = self.trees.current();
        let dirs = current.iter().map(|used| used.object.dirs.clone());
        dirs.flatten().collect()
    }

    pub async fn step(&self, hand: &mut Hand) {
        let (slot, used, due) = self.trees.choose(&mut hand.random);
        if due {
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            if let Some(tree) = plant(hand, id).await {
                self.trees.replace(slot, tree);
            }
        }
        let tree = &used.object;
        let dir = hand.random.between(1, u64::from(DIRECTORIES)) as u8;
        let any = |hand: &mut Hand| hand.random.between(0, u64::from(DIRECTORIES)) as u8;
        let known = tree.parents[usize::from(dir)].load(Ordering::Relaxed);
        let at = match hand.random.percent(85) {
            true => known,
            false => any(hand),
        };
        if hand.random.percent(35) {
            let operation = Operation::Peek {
                tree: tree.id,
                dir,
                at,
            };
            hand.ask(operation, peek(hand, tree, dir, at)).await;
            return;
        }
        let to = any(hand);
        if to == at {
            return; // a rename of a name to itself says nothing
        }
        let operation = Operation::Graft {
            tree: tree.id,
            dir,
            from: at,
            to,
        };
        if hand.ask(operation, graft(hand, tree, dir, at, to)).await == Answer::Done {
            tree.parents[usize::from(dir)].store(to, Ordering::Relaxed);
        }
    }

    pub async fn finish(&self, hand: &mut Hand) {
        for used in self.trees.all() {
            let (tree, hand) = (&used.object, &*hand);
            hand.ask_at_last(Operation::Survey { tree: tree.id }, || survey(hand, tree))
                .await;
        }
    }
}

/// Makes a tree; it is used only if all of it is acknowledged.
async fn plant(hand: &mut Hand, id: u64) -> Option<Tree> {
    let mut parents = vec![0];
    for dir in 1..DIRECTORIES {
        parents.push(hand.random.below(usize::from(dir)) as u8);
    }
    let hand = &*hand;
    let mut dirs = Vec::new();
    let operation = Operation::Plant {
        tree: id,
        parents: parents.clone(),
    };
    let planted = hand.ask(operation, async {
        dirs.push(hand.mkdir(InodeId::ROOT, format!("tree-{id}")).await?);
        for dir in 1..DIRECTORIES {
            let parent = dirs[usize::from(parents[usize::from(dir)])];
            dirs.push(hand.mkdir(parent, name(dir)).await?);
        }
        Ok(Answer::Done)
    });
    let planted = planted.await;
    let parents = parents.into_iter().map(AtomicU8::new).collect();
    (planted == Answer::Done).then_some(Tree { id, dirs, parents })
}

fn name(dir: u8) -> String {
    format!("d{dir}")
}

async fn peek(hand: &Hand, tree: &Tree, dir: u8, at: u8) -> Result<Answer, ClientError> {
    let found = hand.exists(tree.dirs[usize::from(at)], name(dir)).await?;
    Ok(Answer::Found { found })
}

async fn graft(hand: &Hand, tree: &Tree, dir: u8, from: u8, to: u8) -> Result<Answer, ClientError> {
    let source = (tree.dirs[usize::from(from)], name(dir));
    let target = (tree.dirs[usize::from(to)], name(dir));
    hand.rename(source, target, Replace::Never).await?;
    Ok(Answer::Done)
}

/// Walks down from the root.
async fn survey(hand: &Hand, tree: &Tree) -> Result<Answer, ClientError> {
    let mut parents = vec![None; usize::from(DIRECTORIES)];
    parents[0] = Some(0);
    let mut walked = BTreeSet::new();
    let mut todo = vec![0u8];
    while let Some(at) = todo.pop() {
        if !walked.insert(at) {
            let why = format!("directory {at} of the tree has two names");
            return Ok(Answer::Wrong { why });
        }
        for (text, inode) in hand.names(tree.dirs[usize::from(at)]).await? {
            let dir = (1..DIRECTORIES).find(|dir| name(*dir).as_bytes() == text);
            match dir {
                Some(dir) if tree.dirs[usize::from(dir)] == inode => {
                    parents[usize::from(dir)] = Some(at);
                    todo.push(dir);
                }
                Some(_) | None => {
                    let text = String::from_utf8_lossy(&text);
                    let why =
                        format!("{text:?} in directory {at} of the tree is not what was made");
                    return Ok(Answer::Wrong { why });
                }
            }
        }
    }
    Ok(Answer::Parents { parents })
}
