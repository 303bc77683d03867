//! Faulty histories, each of which must be seen, next to sound ones that differ in one thing.

use super::*;
use crate::check::Outcome;
use crate::history::{FORMAT, Header};

/// A history written down as (called, answered, operation, answer).
fn history(calls: Vec<(u64, u64, Operation, Answer)>) -> History {
    let header = Header {
        format: FORMAT,
        workload: "test".into(),
        nemesis: "none".into(),
        seed: 0,
        seconds: 0,
    };
    let calls = calls.into_iter().enumerate();
    let calls = calls.map(|(id, (called, answered, operation, answer))| Call {
        id: id as u64,
        worker: 0,
        called,
        answered,
        operation,
        answer,
    });
    History {
        header,
        calls: calls.collect(),
        faults: Vec::new(),
        notes: Vec::new(),
    }
}

fn outcome(calls: Vec<(u64, u64, Operation, Answer)>) -> Outcome {
    judge(&history(calls)).outcome()
}

const DONE: Answer = Answer::Done;

fn unknown() -> Answer {
    Answer::Unknown {
        why: "deadline".into(),
    }
}

const fn refused(why: Refused) -> Answer {
    Answer::Refused { why }
}

const fn found(found: bool) -> Answer {
    Answer::Found { found }
}

const fn value(value: u64) -> Answer {
    Answer::Value { value: Some(value) }
}

fn elements(list: &[u64]) -> Answer {
    Answer::Elements {
        elements: list.to_vec(),
    }
}

const fn create(value: u64) -> Operation {
    Operation::Create { key: 1, value }
}

const fn replace(value: u64) -> Operation {
    Operation::Replace { key: 1, value }
}

const READ: Operation = Operation::Read { key: 1 };
const LIST: Operation = Operation::List { set: 1 };

const fn add(element: u64) -> Operation {
    Operation::Add { set: 1, element }
}

#[test]
fn a_register_never_goes_back() {
    let begin = || vec![(1, 2, create(1), DONE), (3, 4, replace(2), DONE)];
    let read_after = |value: Answer| [begin(), vec![(5, 6, READ, value)]].concat();
    assert_eq!(outcome(read_after(value(2))), Outcome::Sound);
    assert_eq!(
        outcome(read_after(value(1))),
        Outcome::Violated,
        "a stale read"
    );
    assert_eq!(
        outcome(read_after(Answer::Value { value: None })),
        Outcome::Violated,
        "lost"
    );
    assert_eq!(
        outcome(read_after(value(9))),
        Outcome::Violated,
        "from nowhere"
    );
    let flicker = [(5, 6, READ, value(2)), (7, 8, READ, value(1))];
    let two = [
        vec![(1, 2, create(1), DONE), (3, 90, replace(2), DONE)],
        flicker.to_vec(),
    ]
    .concat();
    assert_eq!(
        outcome(two),
        Outcome::Violated,
        "new and then old during a write"
    );
}

#[test]
fn exclusive_creation_has_one_winner() {
    let twice = |second| vec![(1, 4, create(1), DONE), (2, 5, create(2), second)];
    assert_eq!(outcome(twice(refused(Refused::Exists))), Outcome::Sound);
    assert_eq!(outcome(twice(DONE)), Outcome::Violated);
    assert_eq!(
        outcome(vec![(1, 2, create(1), refused(Refused::Exists))]),
        Outcome::Violated
    );
}

#[test]
fn an_acknowledged_name_is_in_every_later_listing() {
    let sound = vec![
        (1, 2, add(7), DONE),
        (1, 9, add(8), unknown()),
        (3, 4, LIST, elements(&[7])),
    ];
    assert_eq!(outcome(sound.clone()), Outcome::Sound);
    let late = [sound.clone(), vec![(10, 11, LIST, elements(&[7, 8]))]].concat();
    assert_eq!(
        outcome(late.clone()),
        Outcome::Sound,
        "an unknown change may happen late"
    );
    let lost = [late, vec![(12, 13, LIST, elements(&[7]))]].concat();
    assert_eq!(
        outcome(lost),
        Outcome::Violated,
        "but it does not go away again"
    );
    let missing = vec![(1, 2, add(7), DONE), (3, 4, LIST, elements(&[]))];
    assert_eq!(outcome(missing), Outcome::Violated, "lost");
    let phantom = vec![(1, 2, add(7), DONE), (3, 4, LIST, elements(&[7, 9]))];
    assert_eq!(outcome(phantom), Outcome::Violated, "nobody made it");
    let twice = vec![(1, 2, add(7), DONE), (3, 4, LIST, elements(&[7, 7]))];
    assert_eq!(outcome(twice), Outcome::Violated, "listed twice");
    let remove = Operation::Remove { set: 1, element: 7 };
    let back = vec![
        (1, 2, add(7), DONE),
        (3, 4, remove, DONE),
        (5, 6, LIST, elements(&[7])),
    ];
    assert_eq!(outcome(back), Outcome::Violated, "back from the dead");
}

#[test]
fn a_number_is_taken_once() {
    let take = |number| Operation::Take { counter: 1, number };
    let count = Operation::Count { counter: 1 };
    let sound = vec![
        (1, 5, take(1), DONE),
        (2, 6, take(1), refused(Refused::Exists)),
    ];
    assert_eq!(outcome(sound), Outcome::Sound);
    let twice = vec![(1, 5, take(1), DONE), (2, 6, take(1), DONE)];
    assert_eq!(outcome(twice), Outcome::Violated);
    let gap = vec![
        (1, 2, take(1), DONE),
        (3, 4, take(2), DONE),
        (5, 6, count, elements(&[2])),
    ];
    assert_eq!(outcome(gap), Outcome::Violated);
}

#[test]
fn a_token_is_in_one_place() {
    let place = Operation::Place { token: 1, at: 1 };
    let go = |from, to| Operation::Move { token: 1, from, to };
    let look = |at| Operation::Look { token: 1, at };
    let begin = |second: Answer| vec![(1, 2, place.clone(), DONE), (3, 9, go(1, 2), second)];
    let then = |first: Answer, more: Vec<(u64, u64, Operation, Answer)>| {
        outcome([begin(first), more].concat())
    };
    let sound = vec![(4, 5, look(1), found(true)), (6, 7, look(2), found(true))];
    assert_eq!(then(DONE, sound), Outcome::Sound);
    let doubled = vec![(4, 5, look(2), found(true)), (6, 7, look(1), found(true))];
    assert_eq!(then(DONE, doubled), Outcome::Violated, "in both");
    let gone = || (10, 11, look(2), found(false));
    let lost = vec![gone(), (12, 13, look(1), found(false))];
    assert_eq!(then(DONE, lost.clone()), Outcome::Violated, "in none");
    assert_eq!(
        then(unknown(), lost.clone()),
        Outcome::Sound,
        "it moved in between"
    );
    let still = [lost, vec![(14, 15, look(2), found(false))]].concat();
    assert_eq!(
        then(unknown(), still),
        Outcome::Violated,
        "it moved nowhere"
    );
    let twice = vec![(4, 8, go(1, 3), DONE)];
    assert_eq!(
        then(DONE, twice),
        Outcome::Violated,
        "both movers succeeded"
    );
    let refused_wrongly = vec![(10, 12, go(2, 3), refused(Refused::NotFound))];
    assert_eq!(then(DONE, refused_wrongly), Outcome::Violated);
}

#[test]
fn a_tree_stays_a_tree() {
    let plant = Operation::Plant {
        tree: 1,
        parents: vec![0, 0, 0],
    };
    let graft = |dir, from, to| Operation::Graft {
        tree: 1,
        dir,
        from,
        to,
    };
    let both = |second: Answer| {
        outcome(vec![
            (1, 2, plant.clone(), DONE),
            (3, 9, graft(1, 0, 2), DONE),
            (4, 8, graft(2, 0, 1), second),
        ])
    };
    assert_eq!(both(refused(Refused::Loop)), Outcome::Sound);
    assert_eq!(both(DONE), Outcome::Violated, "each below the other");
    let survey = |parents: Vec<Option<u8>>| {
        outcome(vec![
            (1, 2, plant.clone(), DONE),
            (3, 4, graft(1, 0, 2), DONE),
            (
                5,
                6,
                Operation::Survey { tree: 1 },
                Answer::Parents { parents },
            ),
        ])
    };
    assert_eq!(survey(vec![Some(0), Some(2), Some(0)]), Outcome::Sound);
    assert_eq!(
        survey(vec![Some(0), None, Some(0)]),
        Outcome::Violated,
        "cut off"
    );
}

#[test]
fn wrong_content_is_wrong_whatever_came_before() {
    let wrong = Answer::Wrong {
        why: "the first difference is at byte 9".into(),
    };
    let verdict = judge(&history(vec![(1, 2, READ, wrong)]));
    assert_eq!(verdict.outcome(), Outcome::Violated);
    assert!(verdict.findings[0].what.contains("byte 9"));
}

#[test]
fn reads_without_an_answer_tell_nothing() {
    let why = "deadline".to_owned();
    let failed = Answer::Failed { why };
    let calls = vec![
        (1, 2, create(1), DONE),
        (3, 4, READ, failed),
        (5, 6, READ, value(1)),
    ];
    assert_eq!(outcome(calls), Outcome::Sound);
}
