//! The network: messages are late, lost, doubled, out of order; parts are cut off from each other.
//!
//! The fate of a message depends on the seed, the link and the number of the message on it alone, so that leaving out
//! an operation elsewhere changes little.

use std::collections::{BTreeMap, BTreeSet};

use eggs_proto::NodeId;

use crate::random::Random;

/// How messages fare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// Lost, of a thousand.
    pub loss: u64,
    /// Delivered twice, of a thousand.
    pub twice: u64,
    /// Late by up to seconds, of a thousand.
    pub late: u64,
    /// Longest usual delay, in microseconds.
    pub delay_us: u64,
}

/// Fair weather.
pub const FAIR: Weather = Weather {
    loss: 0,
    twice: 5,
    late: 1,
    delay_us: 2_000,
};

/// A part of the network that is cut off.
#[derive(Clone, Debug)]
struct Cut {
    side: BTreeSet<NodeId>,
    /// Only what leaves the part is lost.
    one_way: bool,
}

/// The network.
#[derive(Debug)]
pub struct Network {
    seed: u64,
    weather: Weather,
    cuts: BTreeMap<u64, Cut>,
    sent: BTreeMap<(NodeId, NodeId), u64>,
}

const LATE_US_MAX: u64 = 4_000_000;

impl Network {
    /// A network in fair weather.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            weather: FAIR,
            cuts: BTreeMap::new(),
            sent: BTreeMap::new(),
        }
    }

    /// Changes how messages fare.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// Cuts a part off.
    pub fn cut(&mut self, number: u64, side: BTreeSet<NodeId>, one_way: bool) {
        self.cuts.insert(number, Cut { side, one_way });
    }

    /// Ends a cut.
    pub fn mend(&mut self, number: u64) {
        self.cuts.remove(&number);
    }

    /// Ends all cuts and brings fair weather.
    pub fn heal(&mut self) {
        self.cuts.clear();
        self.weather = FAIR;
    }

    /// Whether messages get through at all.
    pub fn is_open(&self, from: NodeId, to: NodeId) -> bool {
        self.cuts.values().all(|cut| {
            let (out, into) = (cut.side.contains(&from), cut.side.contains(&to));
            out == into || (cut.one_way && into)
        })
    }

    /// Whether both can talk to each other.
    pub fn is_open_both_ways(&self, a: NodeId, b: NodeId) -> bool {
        self.is_open(a, b) && self.is_open(b, a)
    }

    /// After how many microseconds each copy of a message arrives.
    pub fn fate(&mut self, from: NodeId, to: NodeId) -> Vec<u64> {
        let number = self.sent.entry((from, to)).or_default();
        *number += 1;
        let mixed = self.seed ^ from.get().rotate_left(17) ^ to.get().rotate_left(41);
        let mut random =
            Random::new(mixed.wrapping_add(number.wrapping_mul(0x2545_f491_4f6c_dd1d)));
        if !self.is_open(from, to) || random.permille(self.weather.loss) {
            return Vec::new();
        }
        let copies = 1 + usize::from(random.permille(self.weather.twice));
        let delay = |_| {
            if random.permille(self.weather.late) {
                random.between(10_000, LATE_US_MAX)
            } else {
                random.between(100, self.weather.delay_us)
            }
        };
        (0..copies).map(delay).collect()
    }
}
