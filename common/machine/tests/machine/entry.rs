//! What every group gets from the driver: log time, replies for retries, refusals without a trace.

use eggs_machine::{
    ApplyContext, Command, CommandHeader, Entry, Fault, MemoryStore, Outcome, REPLIES,
    StateMachine, Store, StoreRead, Table, apply_entry,
};
use eggs_proto::{REPLY_MS, RequestId, Time};

const NUMBERS: Table = Table(16);
/// Log time and what is known of all replies.
const SYSTEM: Table = Table(0);
/// Formerly: which replies are how old.
const REPLY_TIMES: Table = Table(2);

/// Counts; refuses odd commands after having written.
struct Counter;

impl StateMachine for Counter {
    fn apply(
        &self,
        store: &mut dyn Store,
        context: ApplyContext,
        command: &[u8],
    ) -> Result<Outcome, Fault> {
        let count = store.get(NUMBERS, b"count")?.map_or(0, |bytes| bytes[0]);
        let count = count.wrapping_add(1);
        store.put(NUMBERS, b"count", &[count]);
        store.put(NUMBERS, b"time", &context.now.0.to_be_bytes());
        match command.first() {
            Some(first) if first % 2 == 1 => Ok(Outcome::Refused(vec![0xff, count])),
            Some(_) | None => Ok(Outcome::Accepted(vec![count])),
        }
    }
}

fn command(now: u64, sequence: Option<u64>, body: u8) -> Command {
    let request = sequence.map(|sequence| RequestId {
        client: 7,
        sequence,
    });
    Command {
        header: CommandHeader {
            now: Time(now),
            request,
        },
        body: vec![body],
    }
}

fn apply(store: &mut MemoryStore, commands: Vec<Command>) -> Vec<Vec<u8>> {
    let applied = apply_entry(&Counter, store, &Entry { commands }).unwrap();
    store.commit(&applied.changes);
    applied.replies
}

#[test]
fn a_retry_gets_the_first_reply_and_changes_nothing() {
    let mut store = MemoryStore::default();
    let first = apply(&mut store, vec![command(10, Some(1), 0)]);
    let before = store.clone();
    assert_eq!(apply(&mut store, vec![command(99, Some(1), 0)]), first);
    assert_eq!(store, before);
    // Also within one entry, and for refusals.
    let replies = apply(
        &mut store,
        vec![command(10, Some(2), 1), command(10, Some(2), 1)],
    );
    assert_eq!(replies, [[0xff, 2], [0xff, 2]]);
    assert_eq!(
        apply(&mut store, vec![command(10, Some(2), 0)]),
        [[0xff, 2]]
    );
}

#[test]
fn a_refusal_leaves_no_trace_but_its_reply() {
    let mut store = MemoryStore::default();
    apply(&mut store, vec![command(10, None, 1)]);
    assert_eq!(store.get(NUMBERS, b"count").unwrap(), None);
    assert_eq!(apply(&mut store, vec![command(10, None, 0)]), [[1]]);
}

#[test]
fn log_time_never_runs_backwards() {
    let mut store = MemoryStore::default();
    let mut last = 0;
    for now in [100, 100, 50, 0, 101, 5000] {
        apply(
            &mut store,
            vec![command(now, None, 0), command(now, None, 0)],
        );
        let bytes = store.get(NUMBERS, b"time").unwrap().unwrap();
        let time = u64::from_be_bytes(bytes.try_into().unwrap());
        assert!(time >= now.max(last + 2), "{time} after {last} at {now}");
        last = time;
    }
}

#[test]
fn batches_do_not_matter() {
    let step = |n: u64| if n < 60 { 1 } else { REPLY_MS / 40 }; // later on, replies are forgotten
    let commands: Vec<_> = (0..240u64)
        .map(|n| {
            command(
                n * 7 % 20 + n * step(n),
                (n % 3 > 0).then_some(n / 2),
                n as u8 % 8,
            )
        })
        .collect();
    let mut one_by_one = MemoryStore::default();
    commands
        .iter()
        .for_each(|c| drop(apply(&mut one_by_one, vec![c.clone()])));
    for size in [2, 7, 60, 240] {
        let mut store = MemoryStore::default();
        commands
            .chunks(size)
            .for_each(|batch| drop(apply(&mut store, batch.to_vec())));
        assert_eq!(store, one_by_one, "batches of {size}");
    }
}

/// How many rows a table has.
fn count(store: &MemoryStore, table: Table) -> usize {
    store.iter().filter(|(of, ..)| *of == table).count()
}

/// Whatever the moments of requests and of retries: a retry within the time is recognised, and what is kept is that of twice
/// the time at most.
#[test]
fn replies_are_remembered_for_their_time_and_not_for_ever() {
    let every = REPLY_MS / 50;
    let begin = 5 * REPLY_MS - 7;
    let mut store = MemoryStore::default();
    for n in 0..500u64 {
        let now = begin + n * every;
        let first = apply(&mut store, vec![command(now, Some(n), 0)]);
        for age in [1, 25, 49] {
            let Some(retried) = n.checked_sub(age) else {
                continue;
            };
            let before = store.clone();
            let again = apply(&mut store, vec![command(now, Some(retried), 0)]);
            assert_eq!(store, before, "request {retried} at {n}");
            assert_ne!(again, first);
        }
        assert!(count(&store, REPLIES) <= 101, "{n}");
    }
    let forgotten = apply(&mut store, vec![command(begin + 500 * every, Some(300), 0)]);
    assert_eq!(
        forgotten,
        [[(501 % 256) as u8]],
        "a forgotten request is a new one"
    );
}

/// After a long rest nothing is left but what comes then.
#[test]
fn a_leap_of_time_forgets_everything() {
    let mut store = MemoryStore::default();
    for n in 0..100 {
        apply(&mut store, vec![command(n, Some(n), 0)]);
    }
    assert_eq!(count(&store, REPLIES), 100);
    apply(&mut store, vec![command(REPLY_MS * 9, Some(100), 0)]);
    assert_eq!(count(&store, REPLIES), 1);
}

/// States from before have replies without a generation, and rows that say how old each of them is.
#[test]
fn replies_of_the_former_form_are_recognised_and_forgotten() {
    let id = |sequence: u64| [7u64.to_be_bytes(), sequence.to_be_bytes()].concat();
    let began = 100 * REPLY_MS;
    let mut store = MemoryStore::default();
    let number = |time: u64| eggs_machine::to_bytes(&eggs_machine::StoredNumber(time));
    store.put(SYSTEM, b"last_time", &number(began));
    store.put(SYSTEM, b"oldest", &number(began));
    for sequence in [3u64, 4] {
        let time = [began.to_be_bytes().to_vec(), id(sequence)].concat();
        store.put(REPLY_TIMES, &time, &[]);
        store.put(REPLIES, &id(sequence), &[128, 1, sequence as u8]);
    }
    let foreign = [u64::MAX.to_be_bytes(), [0; 8]].concat();
    store.put(REPLIES, &foreign, &[128, 1, 0]);
    for time in [began + 5, began + REPLY_MS - 5] {
        let first = apply(&mut store, vec![command(time, Some(time), 0)]);
        assert_ne!(first, [[3]]);
        let retried = [3, 4].map(|sequence| command(time, Some(sequence), 0));
        assert_eq!(apply(&mut store, retried.to_vec()), [[3], [4]]);
    }
    let later = began + 2 * REPLY_MS;
    let replies = [5, 3].map(|sequence| apply(&mut store, vec![command(later, Some(sequence), 0)]));
    assert_eq!(replies, [[[3]], [[4]]], "the second is a new one, too");
    assert_eq!((count(&store, REPLIES), count(&store, REPLY_TIMES)), (2, 0));
    assert_eq!(store.get(SYSTEM, b"oldest").unwrap(), None);
}
