//! The same work on two clusters in turns: one with very many files, one without. A machine that is shared becomes faster and slower from
//! one second to the next, for both of them.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::metadata::Plan;
use crate::outcome::{LateTables, Outcome};
use crate::report::Report;
use crate::round::Round;
use crate::works::{Places, Work};

/// One turn: too short for the other cluster to have a rest and merge what it owes, which would be in the way of this one.
const TURN: Duration = Duration::from_secs(2);
/// How much longer than a figure by itself the turns of a cluster take together.
const LONGER: u32 = 3;

/// A cluster and what is worked on in it.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    pub plan: &'a Plan<'a>,
    pub places: &'a Places,
    /// In front of the names of its figures.
    pub name: &'a str,
}

/// Does everything that the first plan says on both, in turns, and tells how they compare.
pub async fn compare(sides: [Side<'_>; 2], report: &mut Report) -> Result<()> {
    let pairs = sides[0].plan.bound * LONGER;
    // Each begins a pair as often as the other: it ended the one before, and pays what that left to do.
    let pairs = pairs.as_secs().div_ceil(TURN.as_secs()).max(1) as usize;
    let pairs = pairs.next_multiple_of(2);
    for work in sides[0].plan.works_in_crowd() {
        let mut sums = [Outcome::default(), Outcome::default()];
        let mut times = Vec::new();
        for pair in 0..pairs {
            let done = take_turns(sides, work, pair).await?;
            times.push(done[0].server_micros() / done[1].server_micros());
            for (sum, one) in sums.iter_mut().zip(done) {
                sum.add(one);
            }
        }
        let what = work.name(sides[0].places.directories());
        for (side, sum) in sides.iter().zip(&sums) {
            report.under(side.name);
            sum.tell(&what, work.unit(), report);
        }
        report.under("compared");
        tell_times(&what, &sums, times, report)?;
    }
    Ok(())
}

/// One turn of each, the first of which alternates.
async fn take_turns(sides: [Side<'_>; 2], work: Work, pair: usize) -> Result<[Outcome; 2]> {
    let [with, without] = sides;
    Ok(if pair.is_multiple_of(2) {
        let first = turn(with, work).await?;
        [first, turn(without, work).await?]
    } else {
        let first = turn(without, work).await?;
        [turn(with, work).await?, first]
    })
}

async fn turn(side: Side<'_>, work: Work) -> Result<Outcome> {
    let round = side.plan.round(side.plan.clients_at_most());
    let round = Round {
        bound: TURN,
        late_tables: LateTables::Counted,
        ..round
    };
    side.places.run(work, round).await
}

fn tell_times(
    what: &str,
    [with, without]: &[Outcome; 2],
    mut pairs: Vec<f64>,
    report: &mut Report,
) -> Result<()> {
    pairs.sort_by(f64::total_cmp);
    let (least, most) = (pairs.first().zip(pairs.last())).context("there are pairs of turns")?;
    let all = with.server_micros() / without.server_micros();
    report.add(&format!("{what}: server CPU"), all, "times");
    // The two in the middle, or the one twice.
    let half = pairs.len() / 2;
    let middle = f64::midpoint(pairs[half], pairs[pairs.len() - 1 - half]);
    report.add(&format!("{what}: middle of the pairs"), middle, "times");
    report.add(&format!("{what}: least of the pairs"), *least, "times");
    report.add(&format!("{what}: most of the pairs"), *most, "times");
    let calm = with.calm_server_micros() / without.calm_server_micros();
    let beside = format!("{what}: server CPU beside tables");
    report.add(&beside, calm, "times");
    let client = with.client_micros() / without.client_micros();
    report.add(&format!("{what}: client CPU"), client, "times");
    Ok(())
}
