//! The stored form of a whole shard is pinned, and what earlier releases stored is read.

use eggs_machine::golden::{dump, load};
use eggs_proto::audit::{RecountFrom, ShardRepair};
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::{
    DirectoryOutcome, LockPurpose, ReleaseAction, Replace, ShardChange, ShardQuery, ShardReply,
};
use eggs_proto::tree::{TreeReport, TreeSums, TreeTotals};
use eggs_proto::{
    InlinePolicy, InodeId, InodeKind, Policy, REPLY_MS, ShardId, StripePolicy, Time, TransactionId,
    XattrMode, XattrName,
};
use expect_test::expect_file;

use crate::invariants::check;
use crate::testing::{Bench, NEW, ROOT, T1, T2, directory_id, name};
use crate::trees::pending;
use crate::{Prepared, ShardCommand};

const SHARD: ShardId = ShardId(0);
const FOREIGN: InodeId = InodeId::new(InodeKind::File, ShardId(9), 77);
const RECOUNT: ShardRepair = ShardRepair::Recount {
    shard: SHARD,
    from: RecountFrom::Beginning,
};
const RECOUNT_ON: ShardRepair = ShardRepair::Recount {
    shard: SHARD,
    from: RecountFrom::Here,
};

/// Something in every table, in every state that it can be in.
fn everything() -> Bench {
    let mut bench = Bench::new();
    bench.allow_dangling_directories();
    files(&mut bench);
    directories(&mut bench);
    locks(&mut bench);
    let repair = ShardChange::Repair(RECOUNT);
    let counting = Ok(ShardReply::Progress { finished: false });
    assert_eq!(bench.serve(repair), counting);
    bench
}

fn files(bench: &mut Bench) {
    let small = bench.create_file("small");
    bench.create_big_file("big");
    let (file, cookie) = bench.create_transient();
    let (offset, size) = (0, 1 << 20);
    let hole = ShardChange::AddHole {
        file,
        cookie,
        offset,
        size,
    };
    bench.change(hole).unwrap();
    bench.add_inline((file, cookie), size).unwrap();
    bench.link((file, cookie), "sparse").unwrap();
    for given_up in [false, true] {
        let (file, cookie) = bench.create_transient();
        bench.add_extent((file, cookie), 0).unwrap();
        if given_up {
            bench.change(ShardChange::Scrap { file, cookie }).unwrap();
            bench.destroy(file).unwrap(); // its blocks are garbage
        }
    }
    let symlink = ShardChange::Symlink {
        dir: ROOT,
        name: name("symlink"),
        target: b"small".to_vec(),
        attributes: NEW,
    };
    bench.change(symlink).unwrap();
    let xattr = ShardChange::SetXattr {
        inode: small,
        name: XattrName::new("user.note").unwrap(),
        value: b"value".to_vec(),
        mode: XattrMode::Set,
    };
    bench.change(xattr).unwrap();
    bench.create_big_file("old");
    bench.create_file_as(ROOT, "old", Replace::Files).unwrap();
    bench.create_file("going");
    let going = ShardChange::Unlink {
        dir: ROOT,
        name: name("going"),
        expected: None,
    };
    bench.change(going).unwrap();
    let snapshots = bench.snapshots(ROOT);
    let going = snapshots.iter().find(|s| s.key.name == name("going"));
    let going = going.expect("it was unlinked");
    let collect = ShardChange::BeginCollect {
        dir: ROOT,
        key: going.key.clone(),
        inode: going.inode,
    };
    bench.serve(collect).unwrap();
    bench.create_file("before");
    let rename = ShardChange::Rename {
        dir: ROOT,
        source: name("before"),
        target: name("after"),
        replace: Replace::Never,
    };
    bench.change(rename).unwrap();
}

fn directories(bench: &mut Bench) {
    let dir = bench.create_directory("d", 1);
    bench.create_file_as(dir, "below", Replace::Never).unwrap();
    for policy in [
        Policy::Inline(InlinePolicy {
            inline_bytes_max: 100,
        }),
        Policy::Stripe(StripePolicy {
            stripe_bytes: 1 << 20,
        }),
    ] {
        bench
            .change(ShardChange::SetPolicy { dir, policy })
            .unwrap();
    }
    let barred = bench.create_directory("barred", 2);
    let (dir, transaction) = (barred, T2);
    bench
        .serve(ShardChange::DetachDirectory { dir, transaction })
        .unwrap();
    let (dir, transaction) = (bench.create_directory("removed", 3), T1);
    lock(bench, "removed", LockPurpose::Source { expected: None }, T1);
    bench
        .serve(ShardChange::DetachDirectory { dir, transaction })
        .unwrap();
    let settle = ShardChange::SettleDirectory {
        dir,
        outcome: DirectoryOutcome::Removed,
        transaction,
    };
    bench.serve(settle).unwrap();
    release(bench, "removed", ReleaseAction::RemoveDeleted, T1);
    let sums = |n| TreeSums {
        files: n,
        directories: n + 1,
        bytes: u128::from(n) << 20,
        physical_bytes: u128::from(n) << 21,
    };
    let report = TreeReport {
        parent: ROOT,
        child: directory_id(SHARD, 1),
        version: Time(5),
        totals: TreeTotals {
            current: sums(3),
            old: sums(4),
        },
    };
    let reports = vec![report];
    let taken = bench.serve(ShardChange::ReportTrees { reports });
    assert_eq!(taken, Ok(ShardReply::TreesTaken(vec![true])));
}

fn locks(bench: &mut Bench) {
    let kind = InodeKind::File;
    let target = |replace| LockPurpose::Target { replace, kind };
    lock(bench, "foreign", target(Replace::Never), T1);
    release(bench, "foreign", ReleaseAction::Set { inode: FOREIGN }, T1);
    lock(bench, "small", target(Replace::Files), T1);
    lock(bench, "big", target(Replace::Exchange), T1);
    lock(bench, "sparse", LockPurpose::Source { expected: None }, T2);
    lock(bench, "free", target(Replace::Never), T2);
}

fn lock(bench: &mut Bench, text: &str, purpose: LockPurpose, transaction: TransactionId) {
    let lock = ShardChange::LockDentry {
        dir: ROOT,
        name: name(text),
        purpose,
        transaction,
    };
    bench.serve(lock).unwrap();
}

fn release(bench: &mut Bench, text: &str, action: ReleaseAction, transaction: TransactionId) {
    let release = ShardChange::ReleaseDentry {
        dir: ROOT,
        name: name(text),
        action,
        transaction,
    };
    bench.serve(release).unwrap();
}

#[test]
fn the_bytes_of_a_state_are_pinned() {
    let state = everything().store;
    expect_file!["../../../golden/form-5/shard.txt"].assert_eq(&dump(&state));
    assert_eq!(load(&dump(&state)), state);
    assert_eq!(check(SHARD, &state).unwrap(), []);
}

/// What can be asked of the state, for comparing states that differ in their bytes.
fn everything_asked(bench: &Bench) -> Vec<String> {
    let small = bench.lookup(ROOT, "after").unwrap();
    let mut answers = vec![
        format!("{:?}", bench.names(ROOT)),
        format!("{:?}", bench.snapshots(ROOT)),
        format!("{:?}", bench.usage()),
        format!("{:?}", bench.garbage()),
        format!("{:?}", bench.stat(small)),
    ];
    let (after, limit) = (None, 4096);
    for query in [
        ShardQuery::VisitFiles { after, limit },
        ShardQuery::VisitDirectories { after, limit },
        ShardQuery::VisitTransients { after: None, limit },
        ShardQuery::Tree { dir: ROOT },
        ShardQuery::Directory {
            dir: directory_id(SHARD, 1),
        },
    ] {
        answers.push(format!("{:?}", bench.query(&query)));
    }
    answers
}

/// A retry of what was answered in an old form gets the old answer, the count that was under way goes on, and
/// everything can be changed.
#[test]
fn states_of_former_forms_are_read_and_go_on() {
    let new = everything();
    go_on(new.clone());
    for form in [
        include_str!("../../../golden/form-1/shard.txt"),
        include_str!("../../../golden/form-2/shard.txt"),
        include_str!("../../../golden/form-3/shard.txt"),
        include_str!("../../../golden/form-4/shard.txt"),
    ] {
        let mut old = new.clone();
        old.store = load(form);
        assert_ne!(old.store, new.store, "nothing has changed its form");
        assert_eq!(check(SHARD, &old.store).unwrap(), []);
        assert_eq!(everything_asked(&old), everything_asked(&new));
        assert_eq!(
            pending(SHARD, &old.store, 10).unwrap(),
            pending(SHARD, &new.store, 10).unwrap()
        );
        go_on(old);
    }
}

fn go_on(mut bench: Bench) {
    let (before, now) = (bench.store.clone(), bench.now);
    let again = ShardCommand {
        origin: PeerRole::Server,
        change: ShardChange::AdvanceTime,
        prepared: Prepared::Nothing,
    };
    let first = bench.apply(&again, 1); // a retry by its number
    assert!(matches!(first, Ok(ShardReply::Linked { .. })), "{first:?}");
    assert_eq!((bench.now, &bench.store), (now, &before));
    release(&mut bench, "small", ReleaseAction::Keep, T1);
    release(&mut bench, "big", ReleaseAction::RemoveMoved, T1);
    release(&mut bench, "free", ReleaseAction::Keep, T2);
    bench.create_file_as(ROOT, "small", Replace::Files).unwrap();
    bench.wait_ms(REPLY_MS);
    bench.create_big_file("new");
    bench.repair(&RECOUNT_ON);
    assert_eq!(check(SHARD, &bench.store).unwrap(), []);
}
