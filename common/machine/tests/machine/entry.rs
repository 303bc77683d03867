//! What every group gets from the driver: log time, replies for retries, refusals without a trace.

use eggs_machine::{
    ApplyContext, Command, CommandHeader, Entry, Fault, MemoryStore, Outcome, StateMachine, Store,
    StoreRead, Table, apply_entry,
};
use eggs_proto::{REPLY_MS, RequestId, Time};

const NUMBERS: Table = Table(16);

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

/// However fast they come: what is remembered is that of the last ten minutes and a second, and of no more than a burst.
#[test]
fn a_busy_group_forgets_as_fast_as_it_remembers() {
    let mut store = MemoryStore::default();
    let per_second = 50;
    let seconds = REPLY_MS / 1000 * 2;
    for n in 0..seconds * per_second {
        apply(&mut store, vec![command(n * 1000 / per_second, Some(n), 0)]);
    }
    let replies = |ms: u64| (ms * per_second / 1000) as usize;
    let bounds = 2 * replies(REPLY_MS)..2 * (replies(REPLY_MS + 1000) + 64) + 10;
    let kept = store.iter().count();
    assert!(bounds.contains(&kept), "{kept} instead of {bounds:?}");
}

#[test]
fn replies_are_forgotten_after_their_time_and_not_before() {
    let mut store = MemoryStore::default();
    for n in 0..100 {
        apply(&mut store, vec![command(n, Some(n), 0)]);
    }
    let full = store.iter().count();
    apply(&mut store, vec![command(REPLY_MS, Some(1000), 0)]);
    let remembered = 2; // the reply and its time
    let note = 1; // how old the oldest is
    let expected = full + remembered + note;
    assert_eq!(store.iter().count(), expected, "nothing is old enough yet");
    for n in 0..100 {
        apply(
            &mut store,
            vec![command(REPLY_MS * 2 + n, Some(2000 + n), 0)],
        );
    }
    assert!(
        store.iter().count() < full + 20,
        "old replies stay: {}",
        store.iter().count()
    );
    let again = apply(&mut store, vec![command(REPLY_MS * 3, Some(5), 0)]);
    assert_ne!(again, [[6]], "a forgotten request is a new one");
}
