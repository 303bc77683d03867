//! What happened: a running hash that two runs of one seed must share, and on request the words.

use std::collections::VecDeque;

use crate::world::{BEGIN_US, Event};

/// Lines that are kept.
const LINES_MAX: usize = 200_000;

/// What happened.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    events: u64,
    verbose: bool,
    lines: VecDeque<String>,
}

impl Trace {
    /// An empty one. A verbose one keeps the last events in words.
    pub fn new(verbose: bool) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            events: 0,
            verbose,
            lines: VecDeque::new(),
        }
    }

    /// Adds an event with its time and who it is about; what is said is in the replies of the logs.
    pub fn note(&mut self, now_us: u64, event: &Event) {
        self.events += 1;
        self.mix(now_us);
        let (code, a, b) = match event {
            Event::Request { caller, to, .. } => (1, caller.call, to.get()),
            Event::Response { caller, .. } => (2, caller.call, caller.node.get()),
            Event::Timeout(call) => (3, *call, 0),
            Event::Timer(_) => (4, 0, 0),
            Event::Commit {
                group,
                process,
                batch,
            } => (5 + (u64::from(group.0) << 8), process.get(), *batch),
            Event::Disk {
                service, caller, ..
            } => (6, service.0, caller.call),
            Event::Elections => (7, 0, 0),
            Event::Observations => (8, 0, 0),
            Event::Look => (9, 0, 0),
            Event::Planned(item) => (10, *item as u64, 0),
            Event::Mend(_) => (11, 0, 0),
            Event::Check => return,
        };
        self.mix(code);
        self.mix(a);
        self.mix(b);
        if self.verbose && code != 3 && code != 4 && code < 0x100 && !(7..=9).contains(&code) {
            self.say(now_us, &format!("{event:?}"));
        }
    }

    /// Adds what was answered.
    pub fn reply(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    /// Adds words, if they are wanted.
    pub fn say(&mut self, now_us: u64, text: &str) {
        if self.verbose {
            if self.lines.len() == LINES_MAX {
                self.lines.pop_front();
            }
            let ms = (now_us.saturating_sub(BEGIN_US)) as f64 / 1000.0;
            self.lines.push_back(format!("{ms:>12.3} {text}"));
        }
    }

    /// Whether words are kept.
    pub const fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// The hash of everything so far.
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// Number of events so far.
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// The last events in words.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// FNV-1a over words.
    const fn mix(&mut self, word: u64) {
        self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        self.hash ^= self.hash >> 29;
    }
}
