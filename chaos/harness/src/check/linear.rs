//! Whether calls that overlap could have happened one after the other.
//!
//! The search of Wing and Gong ("Testing and verifying concurrent objects", 1993), with the memory of visited states
//! that Lowe ("Testing for linearizability", 2017) adds: a state is which calls have happened and what the object is
//! then; each is entered once. A call may happen next if no other that has not happened was answered before it was
//! asked. Two things keep the search small: a read that can happen now happens now, without any alternative, because
//! putting it first never spoils an order of the others; and of the rest those that were answered first are tried first.
//!
//! A change without an answer may happen at any moment after it was asked, also after the end, or never.

use std::collections::HashSet;
use std::hash::Hash;

/// What an object does.
pub trait Model {
    /// What it is at some moment.
    type State: Clone + Eq + Hash;
    /// A question together with its answer.
    type Action;

    /// The state after the action, or `None` if its answer could not have been given in this state.
    fn step(&self, state: &Self::State, action: &Self::Action) -> Option<Self::State>;

    /// Whether the action changes nothing in whatever state. (That a write changes nothing in one state is not enough: it
    /// may be needed later, in another.)
    fn only_reads(&self, action: &Self::Action) -> bool;
}

/// A call as the search sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<A> {
    /// When it was asked.
    pub called: u64,
    /// When it was answered; `None` if its outcome is unknown.
    pub answered: Option<u64>,
    /// What was asked and answered. If the outcome is unknown, what it does if it happens.
    pub action: A,
}

/// What a search came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Linearity {
    /// There is an order.
    Yes,
    /// There is none. The calls, by position, of which none could happen next in the longest orders that were found.
    No {
        /// Positions in the list of events.
        stuck: Vec<usize>,
    },
    /// The search became too long.
    Undecided,
}

/// States that a search may visit.
pub const STATES_MAX: usize = 2_000_000;

/// Which calls have happened, and what the object is.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Config<S> {
    /// All answered calls before this position have happened.
    base: u32,
    /// Answered calls from `base` on that have happened, ascending.
    beyond: Vec<u32>,
    /// Unanswered calls that have happened, ascending.
    open: Vec<u32>,
    state: S,
}

impl<S> Config<S> {
    fn count(&self) -> usize {
        self.base as usize + self.beyond.len()
    }

    fn has(&self, at: usize) -> bool {
        at < self.base as usize || self.beyond.binary_search(&(at as u32)).is_ok()
    }

    /// The answered call at this position happens.
    fn take(&mut self, at: usize) {
        if let Err(place) = self.beyond.binary_search(&(at as u32)) {
            self.beyond.insert(place, at as u32);
        }
        let ahead = (self.base..).zip(&self.beyond);
        let run = ahead.take_while(|(expected, at)| expected == *at).count();
        self.beyond.drain(..run);
        self.base += run as u32;
    }
}

/// Searches for an order of the events of one object.
pub fn search<M: Model>(
    model: &M,
    initial: M::State,
    events: &[Event<M::Action>],
    states_max: usize,
) -> Linearity {
    let mut order: Vec<usize> = (0..events.len()).collect();
    order.sort_by_key(|at| events[*at].called);
    let (answered, open): (Vec<usize>, Vec<usize>) = order
        .into_iter()
        .partition(|at| events[*at].answered.is_some());
    let search = Search {
        model,
        events,
        answered,
        open,
    };
    search.run(initial, states_max)
}

struct Search<'a, M: Model> {
    model: &'a M,
    events: &'a [Event<M::Action>],
    /// Positions of answered calls, in order of being asked.
    answered: Vec<usize>,
    /// Positions of the others, in order of being asked.
    open: Vec<usize>,
}

impl<M: Model> Search<'_, M> {
    fn run(&self, initial: M::State, states_max: usize) -> Linearity {
        let mut seen = HashSet::new();
        let mut stack = vec![Config {
            base: 0,
            beyond: Vec::new(),
            open: Vec::new(),
            state: initial,
        }];
        let (mut best, mut stuck) = (None, Vec::new());
        while let Some(mut config) = stack.pop() {
            self.take_reads(&mut config);
            if config.count() == self.answered.len() {
                return Linearity::Yes;
            }
            if seen.contains(&config) {
                continue;
            }
            if seen.len() >= states_max {
                return Linearity::Undecided;
            }
            let mut candidates = self.candidates(&config);
            if best.is_none_or(|best| config.count() > best) {
                best = Some(config.count());
                stuck = candidates.iter().map(|at| self.answered[*at]).collect();
            }
            // The stack gives back last what was pushed first: unknown ones, then those answered late.
            self.push_open(&config, &candidates, &mut stack);
            candidates.sort_by_key(|at| std::cmp::Reverse(self.event(*at).answered));
            for at in candidates {
                if let Some(state) = self.model.step(&config.state, &self.event(at).action) {
                    let mut next = config.clone();
                    next.take(at);
                    next.state = state;
                    stack.push(next);
                }
            }
            seen.insert(config);
        }
        Linearity::No { stuck }
    }

    fn event(&self, at: usize) -> &Event<M::Action> {
        &self.events[self.answered[at]]
    }

    /// Answered calls that may happen next, by position among the answered ones.
    fn candidates(&self, config: &Config<M::State>) -> Vec<usize> {
        let mut found = Vec::new();
        let mut first_answer = u64::MAX;
        for at in config.base as usize..self.answered.len() {
            let event = self.event(at);
            if event.called > first_answer {
                break;
            }
            if !config.has(at) {
                first_answer = first_answer.min(event.answered.unwrap_or(u64::MAX));
                found.push(at);
            }
        }
        found.retain(|at| self.event(*at).called <= first_answer);
        found
    }

    fn take_reads(&self, config: &mut Config<M::State>) {
        let possible = |at: &usize, state: &M::State| {
            let action = &self.event(*at).action;
            self.model.only_reads(action) && self.model.step(state, action).is_some()
        };
        while let Some(at) = self
            .candidates(config)
            .into_iter()
            .find(|at| possible(at, &config.state))
        {
            config.take(at);
        }
    }

    /// Unanswered calls that change something and may happen now.
    fn push_open(
        &self,
        config: &Config<M::State>,
        candidates: &[usize],
        stack: &mut Vec<Config<M::State>>,
    ) {
        let answers = candidates.iter().map(|at| self.event(*at).answered);
        let first_answer = answers.flatten().min().unwrap_or(u64::MAX);
        for (at, event) in self.open.iter().map(|at| &self.events[*at]).enumerate() {
            if event.called > first_answer {
                break;
            }
            let Err(place) = config.open.binary_search(&(at as u32)) else {
                continue;
            };
            match self.model.step(&config.state, &event.action) {
                Some(state) if state != config.state => {
                    let mut next = config.clone();
                    next.open.insert(place, at as u32);
                    next.state = state;
                    stack.push(next);
                }
                Some(_) | None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A register: writes, and reads of what must be there.
    struct Register;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Act {
        Write(u8),
        Read(u8),
    }

    impl Model for Register {
        type State = u8;
        type Action = Act;

        fn step(&self, state: &u8, action: &Act) -> Option<u8> {
            match action {
                Act::Write(value) => Some(*value),
                Act::Read(value) => (value == state).then_some(*state),
            }
        }

        fn only_reads(&self, action: &Act) -> bool {
            matches!(action, Act::Read(_))
        }
    }

    const fn event(called: u64, answered: u64, action: Act) -> Event<Act> {
        let answered = if answered == 0 { None } else { Some(answered) };
        Event {
            called,
            answered,
            action,
        }
    }

    fn search_all(events: &[Event<Act>]) -> Linearity {
        search(&Register, 0, events, 10_000)
    }

    #[test]
    fn a_stale_read_is_seen() {
        use Act::{Read, Write};
        let mut events = vec![
            event(1, 2, Write(1)),
            event(3, 4, Write(2)),
            event(5, 6, Read(1)),
        ];
        assert_eq!(search_all(&events), Linearity::No { stuck: vec![2] });
        events[2] = event(3, 6, Read(1));
        assert_eq!(
            search_all(&events),
            Linearity::Yes,
            "it overlaps the second write"
        );
    }

    #[test]
    fn an_unknown_write_happens_late_or_never_but_not_twice() {
        use Act::{Read, Write};
        let unknown = event(1, 0, Write(1));
        let reads = |values: &[u8]| -> Vec<_> {
            let read = |(n, value): (usize, &u8)| {
                let at = 10 + n as u64 * 2;
                event(at, at + 1, Read(*value))
            };
            let reads = values.iter().enumerate().map(read);
            std::iter::once(unknown.clone()).chain(reads).collect()
        };
        assert_eq!(search_all(&reads(&[0, 0])), Linearity::Yes);
        assert_eq!(search_all(&reads(&[0, 1, 1])), Linearity::Yes);
        assert!(matches!(
            search_all(&reads(&[0, 1, 0])),
            Linearity::No { .. }
        ));
    }

    #[test]
    fn a_long_search_is_given_up() {
        // Writes that all overlap, and a read of what nobody wrote.
        let writes = (0..30).map(|n| event(n, 1000, Act::Write(n as u8)));
        let events: Vec<_> = writes.chain([event(1001, 1002, Act::Read(99))]).collect();
        assert_eq!(search_all(&events), Linearity::Undecided);
    }

    /// All orders, without any cleverness.
    fn by_force(state: u8, left: &[Event<Act>]) -> bool {
        let answers = left.iter().filter_map(|event| event.answered).min();
        let Some(first_answer) = answers else {
            return true; // only unknown ones are left
        };
        (0..left.len()).any(|at| {
            let event = &left[at];
            event.called <= first_answer
                && Register.step(&state, &event.action).is_some_and(|state| {
                    let mut rest = left.to_vec();
                    rest.remove(at);
                    by_force(state, &rest)
                })
        })
    }

    fn any_event() -> impl Strategy<Value = Event<Act>> {
        let action = prop_oneof![(1..4u8).prop_map(Act::Write), (0..4u8).prop_map(Act::Read)];
        (0..12u64, 1..8u64, 0..8u8, action).prop_map(|(called, takes, fate, action)| Event {
            called,
            answered: (fate > 0).then_some(called + takes),
            action,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn the_search_agrees_with_trying_all_orders(events in prop::collection::vec(any_event(), 0..7)) {
            let found = search(&Register, 0, &events, 1_000_000);
            prop_assert_eq!(found == Linearity::Yes, by_force(0, &events));
        }

        #[test]
        fn what_happened_one_after_the_other_is_linearizable(
            writes in prop::collection::vec((any::<bool>(), 0..4u8, 0..10u64, 0..10u64), 1..60)
        ) {
            // Each event takes effect at its own moment; its interval is stretched around that.
            let mut state = 0;
            let events: Vec<_> = writes.iter().enumerate().map(|(n, (is_write, value, before, after))| {
                let at = 100 + n as u64 * 3;
                let action = if *is_write { Act::Write(*value) } else { Act::Read(state) };
                if *is_write { state = *value; }
                event(at - before, at + after + 1, action)
            }).collect();
            prop_assert_eq!(search(&Register, 0, &events, STATES_MAX), Linearity::Yes);
        }
    }
}
