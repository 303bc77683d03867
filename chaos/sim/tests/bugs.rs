//! Deliberate bugs, each of which the simulation must see. Needs the feature `bugs`: `make sim-bugs`.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use eggs_machine::bugs::{Bug, plant, set_impurity};
use eggs_sim::{Config, determinism, record, run, shrink};

/// Seeds tried for each bug.
const SEEDS: u64 = 12;

fn hidden_counter() -> u64 {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    u64::from(COUNTER.fetch_add(1, Ordering::Relaxed).is_multiple_of(7))
}

fn clock() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |now| u64::from(now.subsec_nanos()) % 3)
}

fn hash_order() -> u64 {
    RandomState::new().hash_one("anything") % 2
}

fn impurity_of(bug: Bug) -> fn() -> u64 {
    match bug {
        Bug::HiddenCounter => hidden_counter,
        Bug::ClockRead => clock,
        Bug::HashOrder => hash_order,
        _ => || 0,
    }
}

/// What the simulation says about a bug, and after how many seeds.
fn hunt(bug: Bug, seconds: u64) -> Option<(u64, String)> {
    set_impurity(impurity_of(bug));
    plant(Some(bug));
    let caught = (1..=SEEDS).find_map(|seed| {
        let report = run(&Config::new(seed, seconds));
        report.wrong.map(|what| (seed, what))
    });
    plant(None);
    caught
}

macro_rules! bugs {
    ($($name:ident: $bug:ident, $seconds:expr;)*) => {
        const LISTED: &[Bug] = &[$(Bug::$bug),*];
        $(
            #[test]
            fn $name() {
                match hunt(Bug::$bug, $seconds) {
                    Some((seed, what)) => println!("caught by seed {seed}: {what}"),
                    None => panic!("{:?} was not seen in {SEEDS} seeds", Bug::$bug),
                }
            }
        )*
    };
}

bugs! {
    reply_before_commit: ReplyBeforeCommit, 120;
    dedup_record_lost: DedupRecordLost, 120;
    time_runs_backwards: TimeRunsBackwards, 120;
    lock_leaked_on_abort: LockLeakedOnAbort, 120;
    rollback_with_wrong_creation_time: RollbackWithWrongCreationTime, 120;
    expired_transient_linkable: ExpiredTransientLinkable, 120;
    unlink_ignores_ownership: UnlinkIgnoresOwnership, 120;
    collect_ignores_ownership: CollectIgnoresOwnership, 120;
    proof_of_another_block_accepted: ProofOfAnotherBlockAccepted, 120;
    loop_check_before_commit: LoopCheckBeforeCommit, 300;
    cursor_that_skips: CursorThatSkips, 120;
    usage_counted_twice: UsageCountedTwice, 120;
    carrier_not_updated: CarrierNotUpdated, 120;
    carried_twice: CarriedTwice, 120;
    garbage_erased_forgotten: GarbageErasedForgotten, 60;
    garbage_record_dropped: GarbageRecordDropped, 120;
    stale_report_applied: StaleReportApplied, 120;
    snapshot_collected_too_young: SnapshotCollectedTooYoung, 120;
    pending_blocks_forgotten: PendingBlocksForgotten, 120;
    destroy_without_deadline: DestroyWithoutDeadline, 120;
    unlink_ignores_lock: UnlinkIgnoresLock, 120;
    reader_ignores_lock: ReaderIgnoresLock, 120;
    detach_ignores_entries: DetachIgnoresEntries, 120;
    replaced_file_not_owned: ReplacedFileNotOwned, 120;
    parent_not_noted: ParentNotNoted, 120;
    refusal_leaves_traces: RefusalLeavesTraces, 120;
    tombstone_forgotten: TombstoneForgotten, 120;
    xattr_mode_ignored: XattrModeIgnored, 120;
    xattrs_outlive_inode: XattrsOutliveInode, 120;
    totals_reported_twice: TotalsReportedTwice, 120;
    old_totals_taken: OldTotalsTaken, 120;
    moved_totals_forgotten: MovedTotalsForgotten, 120;
    changed_totals_settled: ChangedTotalsSettled, 120;
    beat_counts_for_dead_disks: BeatCountsForDeadDisks, 120;
    outage_counts_as_silence: OutageCountsAsSilence, 120;
    service_taken_twice: ServiceTakenTwice, 120;
    hidden_counter_is_seen: HiddenCounter, 60;
    clock_read_is_seen: ClockRead, 60;
    hash_order_is_seen: HashOrder, 60;
}

#[test]
fn every_bug_is_hunted() {
    let listed: BTreeSet<Bug> = LISTED.iter().copied().collect();
    assert_eq!(listed, Bug::ALL.into_iter().collect());
}

/// The suite of `tests/sim/determinism.rs` alone must see what makes a machine depend on the world.
#[test]
fn the_determinism_suite_sees_impurity() {
    for bug in [Bug::HiddenCounter, Bug::ClockRead, Bug::HashOrder] {
        plant(None);
        let logs = record(&Config::new(1, 30));
        set_impurity(impurity_of(bug));
        plant(Some(bug));
        let seen = logs.iter().any(|log| determinism::check(log, 0).is_err());
        plant(None);
        assert!(seen, "{bug:?} was not seen");
    }
}

/// What is left of a failing run still fails, and is short enough to be read.
#[test]
fn a_failure_becomes_small() {
    plant(Some(Bug::DetachIgnoresEntries));
    let whole = Config::new(1, 120);
    let mut runs = 0;
    let smaller = shrink(&whole, &mut || {
        runs += 1;
        runs < 2000
    });
    let (smaller, wrong) = smaller.expect("the run fails");
    let again = run(&smaller);
    plant(None);
    assert_eq!(again.wrong, Some(wrong));
    let items = smaller.only.as_ref().map_or(usize::MAX, BTreeSet::len);
    assert!(items <= 12, "{items} items are left");
    assert!(smaller.repeat().contains("--only "));
}

#[test]
fn without_a_bug_nothing_is_seen() {
    plant(None);
    let report = run(&Config::new(1, 60));
    assert_eq!(report.wrong, None);
}
