//! Making a failing run small: what can be left out of its plan is left out.
//!
//! The fate of a message follows from the seed and its place on its link, and operations choose among what there is, so a
//! run without some items is another run that is much alike. Whatever is wrong in it counts as the failure.

use std::collections::BTreeSet;

use crate::plan::{Config, Plan};
use crate::run::run;

/// Leaves out as much of a failing run as it can while `go_on` says so; gives the smallest run that still fails, and what
/// is wrong in it. `None` if nothing is wrong.
pub fn shrink(config: &Config, go_on: &mut dyn FnMut() -> bool) -> Option<(Config, String)> {
    let report = run(config);
    let mut wrong = report.wrong?;
    let plan = Plan::new(config.seed, config.seconds);
    let mut kept: Vec<usize> = plan
        .items
        .iter()
        .enumerate()
        .filter(|(index, item)| {
            let wanted = config.only.as_ref().is_none_or(|only| only.contains(index));
            wanted && item.at_ms <= report.ended_ms
        })
        .map(|(index, _)| index)
        .collect();
    let with = |items: &[usize]| Config {
        only: Some(items.iter().copied().collect::<BTreeSet<usize>>()),
        ..config.clone()
    };
    let mut length = kept.len().div_ceil(2);
    while length > 0 {
        let mut smaller = false;
        let mut from = 0;
        while from < kept.len() && go_on() {
            let until = (from + length).min(kept.len());
            let mut attempt = kept.clone();
            attempt.drain(from..until);
            match run(&with(&attempt)).wrong {
                Some(what) => {
                    (kept, wrong) = (attempt, what);
                    smaller = true;
                }
                None => from = until,
            }
        }
        if !go_on() {
            break;
        }
        if length == 1 && !smaller {
            break;
        }
        length = if smaller {
            length.min(kept.len())
        } else {
            length / 2
        };
    }
    Some((with(&kept), wrong))
}
