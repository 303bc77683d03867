//! Each operation alone: what it does, and what it refuses.

use eggs_cdc::CdcAnswer;
use eggs_proto::cdc::EntryName;
use eggs_proto::shard::Replace;
use eggs_proto::{InodeId, REPLY_MS, Refusal};

use crate::world::model::Version;
use crate::world::{World, at, mkdir, rename, rmdir, undelete};

const ROOT: InodeId = InodeId::ROOT;
const FILES: Replace = Replace::Files;
const EXCHANGE: Replace = Replace::Exchange;

/// /a/b, /a/file, /c
fn tree() -> (World, [InodeId; 3]) {
    let mut w = World::default();
    let a = w.run(mkdir(at(ROOT, "a"))).unwrap().unwrap();
    let b = w.run(mkdir(at(a, "b"))).unwrap().unwrap();
    let c = w.run(mkdir(at(ROOT, "c"))).unwrap().unwrap();
    w.create_file(&at(a, "file")).unwrap();
    (w, [a, b, c])
}

fn check(w: &World) {
    w.check_at_rest(&["a", "b", "c", "file", "x"].map(|name| at(ROOT, name)));
}

#[test]
fn directories_are_made_where_there_is_room() {
    let (mut w, [a, b, c]) = tree();
    assert_eq!(w.lookup(&at(a, "b")), Ok(b));
    assert_eq!(w.directory(b).unwrap().parent, a);
    assert_eq!(w.run(mkdir(at(a, "b"))), Err(Refusal::Exists));
    assert_eq!(w.run(mkdir(at(a, "file"))), Err(Refusal::Exists));
    let file = w.lookup(&at(a, "file")).unwrap();
    assert_eq!(w.run(mkdir(at(file, "x"))), Err(Refusal::NotDirectory));
    w.run(rmdir(at(ROOT, "c"))).unwrap();
    assert_eq!(w.run(mkdir(at(c, "x"))), Err(Refusal::NotFound));
    check(&w);
}

#[test]
fn only_empty_directories_are_removed() {
    let (mut w, [a, b, _]) = tree();
    assert_eq!(w.run(rmdir(at(ROOT, "a"))), Err(Refusal::NotEmpty));
    assert_eq!(w.run(rmdir(at(a, "file"))), Err(Refusal::NotDirectory));
    assert_eq!(w.run(rmdir(at(a, "x"))), Err(Refusal::NotFound));
    assert_eq!(w.run(rmdir(at(a, "b"))), Ok(None));
    assert_eq!(w.lookup(&at(a, "b")), Err(Refusal::NotFound));
    assert!(w.directory(b).unwrap().removed);
    w.unlink(&at(a, "file")).unwrap();
    assert_eq!(w.run(rmdir(at(ROOT, "a"))), Ok(None));
    check(&w);
}

#[test]
fn files_and_directories_move() {
    let (mut w, [a, b, c]) = tree();
    let file = w.lookup(&at(a, "file")).unwrap();
    assert_eq!(w.run(rename(at(a, "file"), at(c, "x"), FILES)), Ok(None));
    assert_eq!(w.lookup(&at(c, "x")), Ok(file));
    assert_eq!(w.lookup(&at(a, "file")), Err(Refusal::NotFound));
    assert_eq!(w.run(rename(at(a, "b"), at(c, "b"), FILES)), Ok(None));
    assert_eq!(w.directory(b).unwrap().parent, c);
    assert_eq!(eggs_cdc::parent_of(&w.cdc, b).unwrap(), Some(c));
    // And back, against the order in which the names are locked.
    assert_eq!(w.run(rename(at(c, "x"), at(a, "file"), FILES)), Ok(None));
    assert_eq!(w.run(rename(at(c, "b"), at(a, "b"), FILES)), Ok(None));
    assert_eq!(w.lookup(&at(a, "file")), Ok(file));
    check(&w);
}

#[test]
fn what_has_the_name_is_replaced_if_it_may() {
    let (mut w, [a, b, c]) = tree();
    let file = w.lookup(&at(a, "file")).unwrap();
    for (from, to) in [(a, c), (c, a)] {
        w.create_file(&at(to, if to == a { "x" } else { "file" }))
            .unwrap();
        let (source, target) = if to == a {
            ("file", "x")
        } else {
            ("file", "file")
        };
        let kept = rename(at(from, source), at(to, target), Replace::Never);
        assert_eq!(w.run(kept), Err(Refusal::Exists));
        let replaced = rename(at(from, source), at(to, target), FILES);
        assert_eq!(w.run(replaced), Ok(None));
        assert_eq!(w.lookup(&at(to, target)), Ok(file));
    }
    // An empty directory is replaced by a directory, also in the same one.
    assert_eq!(w.run(rename(at(a, "b"), at(ROOT, "c"), FILES)), Ok(None));
    assert_eq!(w.lookup(&at(ROOT, "c")), Ok(b));
    assert!(w.directory(c).unwrap().removed);
    let d = w.run(mkdir(at(ROOT, "x"))).unwrap().unwrap();
    assert_eq!(w.run(rename(at(ROOT, "c"), at(ROOT, "x"), FILES)), Ok(None));
    assert!(w.directory(d).unwrap().removed);
    check(&w);
}

#[test]
fn refusals_leave_everything_as_it_was() {
    let (mut w, [a, b, c]) = tree();
    let before: Vec<_> = [ROOT, a, b, c].map(|dir| w.list(dir)).into();
    let cases = [
        (at(a, "x"), at(c, "x"), FILES, Refusal::NotFound),
        (at(c, "x"), at(a, "x"), FILES, Refusal::NotFound),
        (at(c, "x"), at(a, "file"), Replace::Never, Refusal::NotFound),
        (at(c, "x"), at(ROOT, "a"), FILES, Refusal::NotFound),
        (at(a, "file"), at(ROOT, "c"), FILES, Refusal::IsDirectory),
        (at(a, "file"), at(a, "b"), FILES, Refusal::IsDirectory),
        (at(a, "file"), at(ROOT, "a"), FILES, Refusal::IsDirectory),
        (at(ROOT, "c"), at(a, "file"), FILES, Refusal::NotDirectory),
        (
            at(ROOT, "c"),
            at(a, "file"),
            Replace::Never,
            Refusal::Exists,
        ),
        (at(ROOT, "c"), at(ROOT, "a"), FILES, Refusal::NotEmpty),
        (at(a, "b"), at(ROOT, "a"), FILES, Refusal::NotEmpty),
        (at(ROOT, "a"), at(b, "x"), FILES, Refusal::Loop),
        (at(ROOT, "a"), at(a, "x"), FILES, Refusal::Loop),
        (at(ROOT, "a"), at(a, "b"), FILES, Refusal::Loop),
        (at(a, "b"), at(c, "x"), EXCHANGE, Refusal::NotFound),
        (at(c, "x"), at(a, "b"), EXCHANGE, Refusal::NotFound),
        (at(ROOT, "a"), at(a, "b"), EXCHANGE, Refusal::Loop),
        (at(a, "file"), at(ROOT, "a"), EXCHANGE, Refusal::Loop),
        (at(a, "x"), at(a, "x"), FILES, Refusal::NotFound),
        (at(a, "b"), at(a, "b"), Replace::Never, Refusal::Exists),
    ];
    for (source, target, replace, refusal) in cases {
        let operation = rename(source, target, replace);
        assert_eq!(w.run(operation.clone()), Err(refusal), "{operation:?}");
        let after: Vec<_> = [ROOT, a, b, c].map(|dir| w.list(dir)).into();
        assert_eq!(before, after, "{operation:?}");
    }
    assert_eq!(w.run(rename(at(a, "b"), at(a, "b"), FILES)), Ok(None));
    check(&w);
}

#[test]
fn files_and_directories_change_places() {
    let (mut w, [a, b, c]) = tree();
    let file = w.lookup(&at(a, "file")).unwrap();
    let other = w.create_file(&at(c, "x")).unwrap();
    let exchange = |one: &EntryName, two: &EntryName| rename(one.clone(), two.clone(), EXCHANGE);
    // Two files, a file and a directory, and two directories; each there and back, from both sides.
    let d = w.run(mkdir(at(c, "b"))).unwrap().unwrap();
    let pairs = [
        ((at(a, "file"), file), (at(c, "x"), other)),
        ((at(a, "file"), file), (at(ROOT, "c"), c)),
        ((at(a, "b"), b), (at(c, "b"), d)),
    ];
    for ((one, at_one), (two, at_two)) in pairs {
        for (source, target) in [(&one, &two), (&two, &one)] {
            assert_eq!(w.run(exchange(source, target)), Ok(None));
            assert_eq!((w.lookup(&one), w.lookup(&two)), (Ok(at_two), Ok(at_one)));
            check(&w);
            for (moved, to) in [(at_one, two.dir), (at_two, one.dir)] {
                if moved.is_directory() {
                    assert_eq!(w.directory(moved).unwrap().parent, to);
                    assert_eq!(eggs_cdc::parent_of(&w.cdc, moved).unwrap(), Some(to));
                }
            }
            assert_eq!(w.run(exchange(source, target)), Ok(None));
            assert_eq!((w.lookup(&one), w.lookup(&two)), (Ok(at_one), Ok(at_two)));
        }
    }
    // Nothing was replaced: the marks that are left own nothing.
    for dir in [ROOT, a, b, c, d] {
        assert!(w.snapshots(dir).iter().all(|old| !old.owned));
    }
    check(&w);
}

#[test]
fn of_two_exchanges_that_would_make_a_loop_one_is_refused() {
    let (mut w, [a, _, c]) = tree();
    w.create_file(&at(c, "x")).unwrap();
    let one = w.next_id();
    let two = w.next_id();
    w.begin(one, rename(at(ROOT, "a"), at(c, "x"), EXCHANGE));
    w.begin(two, rename(at(ROOT, "c"), at(a, "file"), EXCHANGE));
    w.drain();
    let outcomes = [one, two].map(|id| eggs_cdc::recorded(&w.cdc, id).unwrap().unwrap());
    let loops = eggs_cdc::TransactionOutcome::Refused(Refusal::Loop);
    let refused = outcomes.iter().filter(
        |answer| matches!(answer, CdcAnswer::Finished { outcome, .. } if *outcome == loops),
    );
    assert_eq!(refused.count(), 1, "{outcomes:?}");
    check(&w);
}

#[test]
fn a_removed_directory_comes_back() {
    let (mut w, [a, b, c]) = tree();
    let version = |w: &World, dir| {
        let found = w.snapshots(dir).into_iter().find(|one| one.owned).unwrap();
        Version {
            key: found.key,
            inode: found.inode,
        }
    };
    w.run(rmdir(at(a, "b"))).unwrap();
    let old = version(&w, a);
    assert_eq!(
        w.run(undelete(at(a, "file"), old.clone())),
        Err(Refusal::Exists)
    );
    assert_eq!(
        w.run(undelete(at(c, "b"), old.clone())),
        Err(Refusal::NoSnapshot)
    );
    check(&w);
    assert_eq!(w.run(undelete(at(a, "x"), old.clone())), Ok(None));
    assert_eq!(w.lookup(&at(a, "x")), Ok(b));
    assert_eq!(w.directory(b).unwrap().parent, a);
    assert_eq!(eggs_cdc::parent_of(&w.cdc, b).unwrap(), Some(a));
    w.create_file(&at(b, "x")).unwrap();
    check(&w);
    assert_eq!(
        w.run(undelete(at(a, "b"), old.clone())),
        Err(Refusal::NoSnapshot)
    );
    // Removed again, it is another version.
    w.unlink(&at(b, "x")).unwrap();
    w.run(rmdir(at(a, "x"))).unwrap();
    assert_eq!(w.run(undelete(at(a, "b"), old)), Err(Refusal::NoSnapshot));
    // In a directory that was removed nothing comes back before that one does.
    w.unlink(&at(a, "file")).unwrap();
    w.run(rmdir(at(ROOT, "a"))).unwrap();
    let (inner, outer) = (version(&w, a), version(&w, ROOT));
    assert!(w.run(undelete(at(a, "b"), inner)).is_err());
    assert_eq!(w.run(undelete(at(ROOT, "a"), outer)), Ok(None));
    let inner = w
        .snapshots(a)
        .into_iter()
        .find(|one| one.inode == b && one.owned)
        .unwrap();
    let inner = Version {
        key: inner.key,
        inode: b,
    };
    assert_eq!(w.run(undelete(at(a, "b"), inner)), Ok(None));
    check(&w);
}

#[test]
fn of_two_who_bring_a_directory_back_one_does() {
    let (mut w, [_, _, c]) = tree();
    w.run(rmdir(at(ROOT, "c"))).unwrap();
    let found = w.snapshots(ROOT).remove(0);
    let version = Version {
        key: found.key,
        inode: c,
    };
    let ids = ["x", "c"].map(|name| {
        let id = w.next_id();
        w.begin(id, undelete(at(ROOT, name), version.clone()));
        id
    });
    w.drain();
    let outcomes = ids.map(|id| eggs_cdc::recorded(&w.cdc, id).unwrap().unwrap());
    let done = outcomes.iter().filter(|answer| {
        matches!(answer, CdcAnswer::Finished { outcome, .. }
            if *outcome == eggs_cdc::TransactionOutcome::Done)
    });
    assert_eq!(done.count(), 1, "{outcomes:?}");
    check(&w);
}

#[test]
fn of_two_moves_that_would_make_a_loop_one_is_refused() {
    let (mut w, [a, _, c]) = tree();
    let one = w.next_id();
    let two = w.next_id();
    w.begin(one, rename(at(ROOT, "a"), at(c, "x"), FILES));
    w.begin(two, rename(at(ROOT, "c"), at(a, "x"), FILES));
    w.drain();
    let outcomes = [one, two].map(|id| eggs_cdc::recorded(&w.cdc, id).unwrap().unwrap());
    let refused = outcomes.iter().filter(|answer| {
        matches!(answer, CdcAnswer::Finished { outcome, .. }
            if *outcome == eggs_cdc::TransactionOutcome::Refused(Refusal::Loop))
    });
    assert_eq!(refused.count(), 1, "{outcomes:?}");
    check(&w);
}

#[test]
fn a_finished_transaction_leaves_its_outcome_and_that_is_forgotten() {
    let mut w = World::default();
    let id = w.next_id();
    let operation = mkdir(at(ROOT, "a"));
    let first = w.begin(id, operation.clone());
    assert_eq!(w.begin(id, operation.clone()), first, "begun twice");
    w.drain();
    let known = w.begin(id, operation.clone());
    assert!(matches!(known, CdcAnswer::Finished { .. }), "{known:?}");
    w.tick(REPLY_MS - 1000);
    w.run(mkdir(at(ROOT, "b"))).unwrap();
    assert_eq!(w.begin(id, operation), known);
    w.tick(2000);
    w.run(mkdir(at(ROOT, "c"))).unwrap();
    assert_eq!(eggs_cdc::recorded(&w.cdc, id).unwrap(), None);
    let status = eggs_cdc::status(&w.cdc).unwrap();
    assert_eq!((status.running.len(), status.finished), (0, 3));
    check(&w);
}

#[test]
fn whoever_waits_too_long_for_a_name_is_refused() {
    let (mut w, [a, _, c]) = tree();
    let holder = w.next_id();
    w.begin(holder, rename(at(a, "file"), at(c, "x"), FILES));
    // The holder locks its first name and is not driven any further.
    let step = w.pending().remove(0);
    let outcome = eggs_cdc::StepOutcome::of_answer(w.send(&step.call())).unwrap();
    let answer = w.report(&step, outcome);
    let CdcAnswer::Running(holder) = answer else {
        panic!("{answer:?}")
    };
    let waiter = w.next_id();
    w.begin(waiter, rename(at(a, "file"), at(c, "x"), FILES));
    let step = |w: &World| w.pending().into_iter().find(|s| s.transaction != holder);
    for attempt in 0..3 {
        let step = step(&w).unwrap();
        let answer = w.send(&step.call());
        let outcome = eggs_cdc::StepOutcome::of_answer(answer).unwrap();
        assert_eq!(outcome, eggs_cdc::StepOutcome::Refused(Refusal::Locked));
        let before = w.now;
        w.report(&step, outcome);
        assert_eq!(before < step.patient_until.unwrap(), attempt < 2);
        w.tick(eggs_cdc::LOCK_WAIT_MS / 2 + 10);
    }
    assert_eq!(step(&w), None);
    w.drain();
    let refused = eggs_cdc::recorded(&w.cdc, waiter).unwrap().unwrap();
    let locked = eggs_cdc::TransactionOutcome::Refused(Refusal::Locked);
    assert!(matches!(refused, CdcAnswer::Finished { outcome, .. } if outcome == locked));
    check(&w);
}
