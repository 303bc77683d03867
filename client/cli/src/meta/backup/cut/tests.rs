//! Cuts of a cluster in which things are moved between groups, one step at a time.

use std::cell::RefCell;

use super::*;

/// Things in each group when the cluster begins.
const THINGS: u64 = 3;

/// A move of one thing, which is nowhere in the middle of it.
struct Move {
    from: u16,
    to: u16,
    step: u8,
}

struct World {
    things: Vec<u64>,
    moves: Vec<Move>,
    finished: u64,
    now: u64,
    held_until: u64,
    random: u64,
    /// One in so many events begins a move.
    begins: u64,
    /// Events between the looks at so many groups.
    groups_an_event: u64,
}

impl World {
    /// A number below this one.
    fn draw(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    fn group(&mut self) -> u16 {
        u16::try_from(self.draw(u64::from(GROUPS))).unwrap()
    }

    /// Lets up to so many things happen.
    fn pass(&mut self, most: u64) {
        for _ in 0..self.draw(most + 1) {
            self.now += 1;
            let odds = self.begins;
            let begins =
                self.draw(odds) == 0 && self.now >= self.held_until && self.moves.len() < 9;
            if begins {
                let (from, to) = (self.group(), self.group());
                if self.things[usize::from(from)] > 0 {
                    self.moves.push(Move { from, to, step: 0 });
                }
            } else if !self.moves.is_empty() {
                let at = usize::try_from(self.draw(self.moves.len() as u64)).unwrap();
                self.step(at);
            }
        }
    }

    fn step(&mut self, at: usize) {
        let one = &mut self.moves[at];
        let (from, to) = (usize::from(one.from), usize::from(one.to));
        one.step += 1;
        match one.step {
            1 if self.things[from] == 0 => {
                self.moves.remove(at); // another was faster
                self.finished += 1;
            }
            1 => self.things[from] -= 1,
            2 => self.things[to] += 1,
            _ => {
                self.moves.remove(at);
                self.finished += 1;
            }
        }
    }
}

struct Fake(RefCell<World>);

impl Fake {
    fn new(seed: u64) -> Self {
        let mut world = World {
            things: vec![THINGS; usize::from(GROUPS)],
            moves: Vec::new(),
            finished: 0,
            now: 0,
            held_until: 0,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            begins: 2 + seed % 40,
            groups_an_event: 1 + seed % 90,
        };
        world.pass(2_000);
        Self(RefCell::new(world))
    }
}

impl Ask for Fake {
    /// Requests are lost at times, and those that are not may hold for a short time only.
    async fn hold(&self, ms: u32) {
        let mut world = self.0.borrow_mut();
        world.pass(10);
        match world.draw(8) {
            0 => {}
            1 => world.held_until = world.now + u64::from(ms.min(100)),
            _ => world.held_until = world.now + u64::from(ms),
        }
    }

    async fn count(&self) -> Result<Count, Failure> {
        let mut world = self.0.borrow_mut();
        world.pass(10);
        let count = Count {
            running: world.moves.len(),
            finished: world.finished,
        };
        world.pass(10);
        Ok(count)
    }

    async fn pin_all(&self, _pin: u64) -> Result<Pinned, Failure> {
        let mut world = self.0.borrow_mut();
        let mut pinned = Pinned::new();
        let silent = world.draw(2000);
        for group in 0..GROUPS {
            let odds = world.groups_an_event;
            if world.draw(odds) == 0 {
                world.pass(2);
            }
            let kept = PinnedGroup {
                group: GroupId(group),
                term: 1,
                index: world.things[usize::from(group)],
            };
            if u64::from(group) != silent {
                let node = NodeId::from_u64(1).unwrap();
                pinned.insert(GroupId(group), (node, kept));
            }
        }
        Ok(pinned)
    }

    async fn unpin(&self, _pin: u64) {
        self.0.borrow_mut().pass(10);
    }

    async fn pause(&self) {
        self.0.borrow_mut().pass(50);
    }
}

#[tokio::test]
async fn a_cut_has_everything_once() {
    let mut moves = 0;
    for seed in 1..=300 {
        let cluster = Fake::new(seed);
        let cut = Cut::take_of(&cluster, 7).await.unwrap();
        let things: u64 = cut.groups.values().map(|(_, kept)| kept.index).sum();
        assert_eq!(things, THINGS * u64::from(GROUPS), "seed {seed}");
        moves += cluster.0.borrow().finished;
    }
    assert!(moves > 10_000, "only {moves} moves");
}
