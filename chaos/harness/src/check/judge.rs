//! Takes a history apart and checks every part.

use std::collections::{BTreeMap, BTreeSet};

use super::linear::{Event, Linearity, Model, STATES_MAX, search};
use super::verdict::{Finding, Verdict};
use super::{element, explain, register, token, tree};
use crate::history::{Answer, Call, History, Operation, Refused};

/// Judges a history.
pub fn judge(history: &History) -> Verdict {
    let mut verdict = Verdict::default();
    let mut parts = Parts::default();
    for (at, call) in history.calls.iter().enumerate() {
        if let Answer::Wrong { why } = &call.answer {
            verdict.findings.push(Finding {
                about: format!("call {}", call.id),
                what: format!("{why}\n{}", explain::calls([call])),
                calls: vec![call.id],
            });
        }
        parts.add(at, call);
    }
    parts.add_listings(history, &mut verdict);
    let context = Context { history };
    for (key, events) in &parts.registers {
        context.check(
            &register::Register,
            None,
            events,
            &format!("register {key}"),
            &mut verdict,
        );
    }
    for ((set, element), events) in &parts.elements {
        let about = format!("name {element} of directory {set}");
        context.check(&element::Element, false, events, &about, &mut verdict);
    }
    for (token, events) in &parts.tokens {
        context.check(
            &token::Token,
            None,
            events,
            &format!("token {token}"),
            &mut verdict,
        );
    }
    for (tree, events) in &parts.trees {
        context.check(
            &tree::Tree,
            Vec::new(),
            events,
            &format!("tree {tree}"),
            &mut verdict,
        );
    }
    verdict
}

/// An event and the position of its call.
type Placed<A> = (usize, Event<A>);

/// Events of every single object.
#[derive(Default)]
struct Parts {
    registers: BTreeMap<u64, Vec<Placed<register::Action>>>,
    elements: BTreeMap<(u64, u64), Vec<Placed<element::Action>>>,
    tokens: BTreeMap<u64, Vec<Placed<token::Action>>>,
    trees: BTreeMap<u64, Vec<Placed<tree::Action>>>,
}

impl Parts {
    fn add(&mut self, at: usize, call: &Call) {
        match &call.operation {
            Operation::Create { key, .. }
            | Operation::Replace { key, .. }
            | Operation::RenameOver { key, .. }
            | Operation::Delete { key }
            | Operation::Read { key } => {
                let events = self.registers.entry(*key).or_default();
                events.extend(register_action(call).map(|action| (at, event(call, action))));
            }
            Operation::Add { set, element }
            | Operation::Remove { set, element }
            | Operation::Take {
                counter: set,
                number: element,
            } => {
                let events = self.elements.entry((*set, *element)).or_default();
                events.extend(element_action(call).map(|action| (at, event(call, action))));
            }
            Operation::Place { token, .. }
            | Operation::Move { token, .. }
            | Operation::Look { token, .. } => {
                let events = self.tokens.entry(*token).or_default();
                events.extend(token_action(call).map(|action| (at, event(call, action))));
            }
            Operation::Plant { tree, .. }
            | Operation::Graft { tree, .. }
            | Operation::Peek { tree, .. }
            | Operation::Survey { tree } => {
                let events = self.trees.entry(*tree).or_default();
                events.extend(tree_action(call).map(|action| (at, event(call, action))));
            }
            Operation::List { .. } | Operation::Count { .. } => {} // see `add_listings`
        }
    }

    /// A listing tells something of every name of its directory, also of those that it does not have.
    fn add_listings(&mut self, history: &History, verdict: &mut Verdict) {
        for (at, call) in history.calls.iter().enumerate() {
            let set = match &call.operation {
                Operation::List { set } | Operation::Count { counter: set } => *set,
                _change_or_other => continue,
            };
            let Answer::Elements { elements } = &call.answer else {
                continue;
            };
            let listed: BTreeSet<u64> = elements.iter().copied().collect();
            if listed.len() < elements.len() {
                verdict.findings.push(Finding {
                    about: format!("directory {set}"),
                    what: format!("a listing has a name twice\n{}", explain::calls([call])),
                    calls: vec![call.id],
                });
            }
            for (_, events) in self.elements.range_mut((set, 0)..=(set, u64::MAX)) {
                events.push((at, event(call, element::Action::Seen(false))));
            }
            for element in listed {
                let events = self.elements.entry((set, element)).or_default();
                if events.last().is_some_and(|(last, _)| *last == at) {
                    events.pop();
                }
                events.push((at, event(call, element::Action::Seen(true))));
            }
        }
    }
}

fn event<A>(call: &Call, action: A) -> Event<A> {
    let unknown = matches!(call.answer, Answer::Unknown { .. });
    Event {
        called: call.called,
        answered: (!unknown).then_some(call.answered),
        action,
    }
}

/// Whether a change took place, may have, or the reason why not. `None` if nothing can be learned.
fn fate(call: &Call) -> Option<Result<(), Refused>> {
    match &call.answer {
        Answer::Done | Answer::Unknown { .. } => Some(Ok(())),
        Answer::Refused { why } => Some(Err(*why)),
        Answer::Value { .. }
        | Answer::Elements { .. }
        | Answer::Found { .. }
        | Answer::Parents { .. }
        | Answer::Failed { .. }
        | Answer::Wrong { .. } => None,
    }
}

fn register_action(call: &Call) -> Option<register::Action> {
    use register::Action;
    let refused = |why| match why {
        Refused::Exists => Action::WasThere,
        Refused::NotFound | Refused::Loop => Action::WasNotThere,
    };
    match &call.operation {
        Operation::Create { value, .. } => {
            fate(call).map(|fate| fate.map_or_else(refused, |()| Action::Create(*value)))
        }
        Operation::Replace { value, .. } | Operation::RenameOver { value, .. } => {
            fate(call)?.ok().map(|()| Action::Replace(*value))
        }
        Operation::Delete { .. } => {
            fate(call).map(|fate| fate.map_or_else(refused, |()| Action::Delete))
        }
        _read => match &call.answer {
            Answer::Value { value } => Some(Action::Read(*value)),
            _nothing_learned => None,
        },
    }
}

fn element_action(call: &Call) -> Option<element::Action> {
    use element::Action;
    match (&call.operation, fate(call)?) {
        (Operation::Remove { .. }, Ok(())) => Some(Action::Remove),
        (Operation::Remove { .. }, Err(_)) => Some(Action::Seen(false)),
        (_add, Ok(())) => Some(Action::Add),
        (_add, Err(_)) => Some(Action::Seen(true)),
    }
}

fn token_action(call: &Call) -> Option<token::Action> {
    use token::Action;
    match &call.operation {
        Operation::Place { at, .. } => fate(call)?.ok().map(|()| Action::Place(*at)),
        Operation::Move { from, to, .. } => Some(match fate(call)? {
            Ok(()) => Action::Move {
                from: *from,
                to: *to,
            },
            Err(Refused::Exists) => Action::Seen {
                at: *to,
                found: true,
            },
            Err(Refused::NotFound | Refused::Loop) => Action::Seen {
                at: *from,
                found: false,
            },
        }),
        Operation::Look { at, .. } => match &call.answer {
            Answer::Found { found } => Some(Action::Seen {
                at: *at,
                found: *found,
            }),
            _nothing_learned => None,
        },
        _other => None,
    }
}

fn tree_action(call: &Call) -> Option<tree::Action> {
    use tree::Action;
    match &call.operation {
        Operation::Plant { parents, .. } => {
            fate(call)?.ok().map(|()| Action::Plant(parents.clone()))
        }
        Operation::Graft { dir, from, to, .. } => {
            let (dir, from, to) = (*dir, *from, *to);
            let seen = |at, found| Action::Seen { dir, at, found };
            Some(match fate(call)? {
                Ok(()) => Action::Graft { dir, from, to },
                Err(Refused::Loop) => Action::WouldLoop { dir, from, to },
                Err(Refused::Exists) => seen(to, true),
                Err(Refused::NotFound) => seen(from, false),
            })
        }
        Operation::Peek { dir, at, .. } => match &call.answer {
            Answer::Found { found } => Some(Action::Seen {
                dir: *dir,
                at: *at,
                found: *found,
            }),
            _nothing_learned => None,
        },
        Operation::Survey { .. } => match &call.answer {
            Answer::Parents { parents } => Some(Action::Surveyed(parents.clone())),
            _nothing_learned => None,
        },
        _other => None,
    }
}

struct Context<'a> {
    history: &'a History,
}

impl Context<'_> {
    fn check<M: Model>(
        &self,
        model: &M,
        initial: M::State,
        placed: &[Placed<M::Action>],
        about: &str,
        verdict: &mut Verdict,
    ) where
        M::Action: Clone,
    {
        let events: Vec<_> = placed.iter().map(|(_, event)| event.clone()).collect();
        verdict.objects += 1;
        verdict.events += events.len();
        match search(model, initial, &events, STATES_MAX) {
            Linearity::Yes => {}
            Linearity::Undecided => verdict.undecided.push(about.to_owned()),
            Linearity::No { stuck } => {
                let calls: Vec<&Call> = stuck
                    .iter()
                    .map(|at| &self.history.calls[placed[*at].0])
                    .collect();
                let before = self.before(placed, &calls);
                verdict.findings.push(Finding {
                    about: about.to_owned(),
                    what: format!(
                        "no order of events explains the answers; none of these can come next\n{}\nbefore that\n{}",
                        explain::calls(calls.iter().copied()),
                        explain::calls(before),
                    ),
                    calls: calls.iter().map(|call| call.id).collect(),
                });
            }
        }
    }

    /// The last calls about the same object that were asked before the given ones.
    fn before<A>(&self, placed: &[Placed<A>], stuck: &[&Call]) -> Vec<&Call> {
        const SHOWN: usize = 6;
        let first = stuck.iter().map(|call| call.called).min().unwrap_or(0);
        let mut earlier: Vec<&Call> = placed
            .iter()
            .map(|(at, _)| &self.history.calls[*at])
            .filter(|call| call.called < first && !stuck.contains(call))
            .collect();
        earlier.sort_by_key(|call| call.called);
        earlier.split_off(earlier.len().saturating_sub(SHOWN))
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
