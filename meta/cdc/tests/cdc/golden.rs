//! The stored form of the coordinator's state is pinned, and what earlier releases stored is read.

use eggs_cdc::StepOutcome;
use eggs_machine::MemoryStore;
use eggs_machine::golden::{dump, load};
use eggs_proto::cdc::CdcOperation;
use eggs_proto::shard::{Replace, ShardChange};
use eggs_proto::{InodeId, REPLY_MS, Refusal};
use expect_test::expect_file;

use crate::world::{World, at, mkdir, rename, rmdir};

const ROOT: InodeId = InodeId::ROOT;
const FILES: Replace = Replace::Files;

/// Something in every table: outcomes, some of them forgotten, a stuck transaction, and others under way.
fn everything() -> World {
    let mut w = World::default();
    let a = w.run(mkdir(at(ROOT, "a"))).unwrap().unwrap();
    w.run(mkdir(at(a, "b"))).unwrap();
    let c = w.run(mkdir(at(ROOT, "c"))).unwrap().unwrap();
    assert_eq!(w.run(mkdir(at(ROOT, "c"))), Err(Refusal::Exists));
    w.create_file(&at(a, "file")).unwrap();
    w.tick(REPLY_MS + 1);
    w.run(mkdir(at(c, "d"))).unwrap();
    w.run(mkdir(at(c, "e"))).unwrap();

    begin(&mut w, rename(at(a, "file"), at(c, "file"), FILES));
    while let Some(step) = w.pending().pop() {
        let outcome = match &step.change {
            ShardChange::ReleaseDentry { .. } => StepOutcome::Refused(Refusal::Changed),
            _other => StepOutcome::of_answer(w.send(&step.call())).unwrap(),
        };
        w.report(&step, outcome);
    }
    assert_eq!(eggs_cdc::stuck(&w.cdc).unwrap().len(), 1);

    let operations = [
        (rename(at(a, "b"), at(c, "b"), FILES), 3), // decided: it is about to leave
        (rename(at(c, "d"), at(a, "d"), Replace::Never), 1),
        (mkdir(at(a, "new")), 1),
        (rmdir(at(c, "e")), 2),
        (mkdir(at(a, "begun")), 0),
    ];
    for (operation, steps) in operations {
        begin(&mut w, operation);
        for _ in 0..steps {
            let step = w.pending().pop().unwrap(); // the newest
            let outcome = StepOutcome::of_answer(w.send(&step.call())).unwrap();
            w.report(&step, outcome);
        }
    }
    w
}

fn begin(w: &mut World, operation: CdcOperation) {
    let id = w.next_id();
    w.tick(1);
    w.begin(id, operation);
}

#[test]
fn the_bytes_of_a_state_are_pinned() {
    let w = everything();
    expect_file!["../../../../golden/form-3/cdc.txt"].assert_eq(&dump(&w.cdc));
    assert_eq!(load(&dump(&w.cdc)), w.cdc);
    assert_eq!(eggs_cdc::check(&w.cdc).unwrap(), []);
}

/// An old state instead of the new one in the middle of everything: all transactions end as they should.
#[test]
fn states_of_former_forms_are_read_and_go_on() {
    let first = load(include_str!("../../../../golden/form-1/cdc.txt"));
    assert_ne!(first, everything().cdc, "nothing has changed its form");
    goes_on(&first);
    goes_on(&load(include_str!("../../../../golden/form-2/cdc.txt")));
}

fn goes_on(old: &MemoryStore) {
    let new = everything();
    let mut w = everything();
    w.cdc = old.clone();
    assert_eq!(eggs_cdc::check(&w.cdc).unwrap(), []);
    assert_eq!(w.pending(), new.pending());
    let both = |w: &World| {
        (
            eggs_cdc::parents(&w.cdc).unwrap(),
            eggs_cdc::status(&w.cdc).unwrap(),
            eggs_cdc::stuck(&w.cdc).unwrap(),
            eggs_cdc::audit(&w.cdc, None, 4096).unwrap(),
        )
    };
    assert_eq!(both(&w), both(&new));
    w.drain();
    let a = w.lookup(&at(ROOT, "a")).unwrap();
    let c = w.lookup(&at(ROOT, "c")).unwrap();
    w.lookup(&at(c, "b")).unwrap();
    w.lookup(&at(a, "d")).unwrap();
    w.lookup(&at(a, "new")).unwrap();
    assert_eq!(w.lookup(&at(c, "e")), Err(Refusal::NotFound));
    assert_eq!(eggs_cdc::check(&w.cdc).unwrap(), []);
    // What was remembered in the old form is forgotten in time.
    w.tick(REPLY_MS + 1);
    for n in 0..10 {
        w.run(mkdir(at(a, &format!("later-{n}")))).unwrap();
    }
    let requests = |store: &MemoryStore| {
        let requests = store.iter().filter(|(table, ..)| table.0 == 18);
        requests.map(|(_, key, _)| key.to_vec()).collect::<Vec<_>>()
    };
    let kept = requests(&w.cdc);
    assert!(requests(old).iter().all(|key| !kept.contains(key)));
}
