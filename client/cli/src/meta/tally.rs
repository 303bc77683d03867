//! How far a number of moves is, on standard error: one line that changes on a terminal, a line now and then elsewhere.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _, stderr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use eggs_proto::GroupId;

const EVERY_TERMINAL: Duration = Duration::from_millis(200);
const EVERY_ELSEWHERE: Duration = Duration::from_secs(5);

pub(crate) struct Tally {
    total: usize,
    state: Mutex<State>,
}

struct State {
    done: usize,
    waiting: BTreeMap<GroupId, String>,
    shown: Instant,
    terminal: bool,
    drawn: bool,
}

impl Tally {
    pub(crate) fn new(total: usize) -> Self {
        Self {
            total,
            state: Mutex::new(State {
                done: 0,
                waiting: BTreeMap::new(),
                shown: Instant::now(),
                terminal: stderr().is_terminal(),
                drawn: false,
            }),
        }
    }

    /// A group has to wait.
    pub(crate) fn waits(&self, group: GroupId, why: &str) {
        let mut state = self.lock();
        state.waiting.insert(group, why.to_owned());
        self.show(&mut state);
    }

    /// A group is through, whatever the outcome.
    pub(crate) fn done(&self, group: GroupId) {
        let mut state = self.lock();
        state.waiting.remove(&group);
        state.done += 1;
        self.show(&mut state);
    }

    fn show(&self, state: &mut State) {
        let every = if state.terminal {
            EVERY_TERMINAL
        } else {
            EVERY_ELSEWHERE
        };
        if state.shown.elapsed() < every {
            return;
        }
        state.shown = Instant::now();
        let mut line = format!("{} of {} groups", state.done, self.total);
        if let Some((group, why)) = state.waiting.first_key_value() {
            line.push_str(&format!("; {group}: {why}"));
        }
        // Nobody is hurt if it is not seen.
        if state.terminal {
            let _ = write!(stderr(), "\r\x1b[K{line}");
            state.drawn = true;
        } else {
            let _ = writeln!(stderr(), "{line}");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if self.lock().drawn {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
