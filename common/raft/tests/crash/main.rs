//! Replicas with openraft and all, over disks that crash at every boundary and a network that loses: seeded runs, in
//! which nothing that was acknowledged may be lost. `make raft-crash`.
//!
//! The faults and what they hit follow from the seed; which task runs first is tokio's business, so that a seed
//! repeats the kind of run, and nearly always the failure.
#![allow(clippy::unwrap_used)]

mod client;
mod machine;
mod oracle;
mod run;
mod transport;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use eggs_raft::sim::{Bug, plant};
use run::{Stats, run};

/// Bugs are put into the whole process: one test at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn one_seed(seed: u64) -> Result<Stats, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let done = runtime.block_on(run(seed));
    runtime.shutdown_background();
    done
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    text.parse().ok()
}

#[test]
fn nothing_that_was_acknowledged_is_lost() {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(|e| e.into_inner());
    let seconds = number("CRASH_SECONDS").unwrap_or(30);
    let first = number("CRASH_SEED").unwrap_or(1);
    let only_one = number("CRASH_SEED").is_some() && number("CRASH_SECONDS").is_none();
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut all = Stats::default();
    for seed in first.. {
        match one_seed(seed) {
            Ok(stats) => all.add(&stats),
            Err(what) => panic!(
                "seed {seed}: {what}\nrepeat: CRASH_SEED={seed} cargo nextest run --release --locked -p eggs-raft \
                 --features sim --test crash nothing_that"
            ),
        }
        if only_one || Instant::now() >= end {
            break;
        }
    }
    println!("{all:#?}");
    assert!(only_one || all.is_thorough(), "{all:#?}");
}

/// Seeds that are tried for each bug.
const SEEDS: u64 = 40;

fn is_caught(bug: Bug) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(|e| e.into_inner());
    plant(Some(bug));
    let caught = (1..=SEEDS).find_map(|seed| one_seed(seed).err().map(|what| (seed, what)));
    plant(None);
    match caught {
        Some((seed, what)) => println!("{bug:?} is caught by seed {seed}: {what}"),
        None => panic!("{bug:?} was not seen in {SEEDS} seeds"),
    }
}

#[test]
fn acknowledged_before_sync_is_caught() {
    is_caught(Bug::AcknowledgedBeforeSync);
}

#[test]
fn a_vote_that_is_not_synced_is_caught() {
    is_caught(Bug::VoteNotSynced);
}

#[test]
fn purged_before_flush_is_caught() {
    is_caught(Bug::PurgedBeforeFlush);
}

#[test]
fn a_flush_that_leaves_out_what_is_pending_is_caught() {
    is_caught(Bug::FlushedWithoutPending);
}

#[test]
fn entries_for_a_state_that_was_given_away_are_caught() {
    is_caught(Bug::HollowTakesEntries);
}

#[test]
fn a_wrong_hash_that_is_accepted_is_caught() {
    is_caught(Bug::WrongHashAccepted);
}

#[test]
fn a_lost_tail_that_is_accepted_is_caught() {
    is_caught(Bug::LostTailAccepted);
}

#[test]
fn another_tail_that_is_accepted_is_caught() {
    is_caught(Bug::OtherTailAccepted);
}
