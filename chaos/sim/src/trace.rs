//! What happened: a running hash that two runs of one seed must share, and on request the words.

use std::collections::VecDeque;
use std::fmt::Write as _;

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
    text: String,
}

impl Trace {
    /// An empty one. A verbose one keeps the last events in words.
    pub fn new(verbose: bool) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            events: 0,
            verbose,
            lines: VecDeque::new(),
            text: String::new(),
        }
    }

    /// Adds an event with its time and all it says.
    pub fn note(&mut self, now_us: u64, event: &Event) {
        self.events += 1;
        self.mix(now_us);
        match event {
            Event::Timeout(_) | Event::Timer(_) | Event::Elections | Event::Heartbeats => return,
            Event::Look | Event::Check => return,
            Event::Request { .. }
            | Event::Response { .. }
            | Event::Commit { .. }
            | Event::Disk { .. }
            | Event::Planned(_)
            | Event::Mend(_) => {}
        }
        self.text.clear();
        let _ = write!(self.text, "{event:?}"); // writing to a string cannot fail
        let text = std::mem::take(&mut self.text);
        for chunk in text.as_bytes().chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
        if self.verbose {
            self.say(now_us, &text);
        }
        self.text = text;
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
