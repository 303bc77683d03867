//! How long calls took while nothing was broken, and while something was. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::history::{Answer, Call, History};

/// Latencies of one kind of call, in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Latencies {
    /// Of calls during which nothing was broken.
    pub healthy: Quantiles,
    /// Of calls during which something was.
    pub broken: Quantiles,
}

/// Quantiles of answered calls; zeros if there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// Calls.
    pub calls: usize,
    /// Median, in milliseconds.
    pub p50_ms: f64,
    /// 99th percentile, in milliseconds.
    pub p99_ms: f64,
}

impl Quantiles {
    fn of(mut nanos: Vec<u64>) -> Self {
        nanos.sort_unstable();
        let at = |of_hundred: usize| {
            let last = nanos.len().saturating_sub(1);
            let found = nanos.get(last * of_hundred / 100).copied();
            found.unwrap_or(0) as f64 / 1e6
        };
        Self {
            calls: nanos.len(),
            p50_ms: at(50),
            p99_ms: at(99),
        }
    }
}

/// Latencies by kind of call.
pub(super) fn latencies(history: &History) -> BTreeMap<String, Latencies> {
    let mut kinds: BTreeMap<&str, (Vec<u64>, Vec<u64>)> = BTreeMap::new();
    for call in history.calls.iter().filter(|call| is_answered(call)) {
        let (healthy, broken) = kinds.entry(call.operation.kind()).or_default();
        let meets = history.faults.iter().any(|fault| {
            fault.begin <= call.answered && fault.end.is_none_or(|e| e >= call.called)
        });
        let list = if meets { broken } else { healthy };
        list.push(call.answered.saturating_sub(call.called));
    }
    let named = kinds.into_iter().map(|(kind, (healthy, broken))| {
        let latencies = Latencies {
            healthy: Quantiles::of(healthy),
            broken: Quantiles::of(broken),
        };
        (kind.to_owned(), latencies)
    });
    named.collect()
}

fn is_answered(call: &Call) -> bool {
    match call.answer {
        Answer::Unknown { .. } | Answer::Failed { .. } => false,
        Answer::Done
        | Answer::Refused { .. }
        | Answer::Value { .. }
        | Answer::Elements { .. }
        | Answer::Found { .. }
        | Answer::Parents { .. }
        | Answer::Wrong { .. } => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_meet_a_fault_are_counted_apart() {
        let text = r#"{"line":"header","format":1,"workload":"files","nemesis":"still","seed":7,"seconds":60}
{"line":"call","at":0,"id":1,"worker":1,"operation":{"do":"read","key":1}}
{"line":"answer","at":2000000,"id":1,"answer":{"is":"value","value":null}}
{"line":"call","at":3000000,"id":2,"worker":1,"operation":{"do":"read","key":1}}
{"line":"fault","at":4000000,"id":3,"what":"pause","phase":"begin"}
{"line":"answer","at":8000000,"id":2,"answer":{"is":"value","value":null}}
{"line":"fault","at":9000000,"id":3,"what":"pause","phase":"end"}
{"line":"call","at":9500000,"id":4,"worker":1,"operation":{"do":"read","key":1}}
{"line":"answer","at":9600000,"id":4,"answer":{"is":"failed","why":"no"}}
"#;
        let found = latencies(&History::parse(text).unwrap());
        let healthy = Quantiles::of(vec![2_000_000]);
        let broken = Quantiles::of(vec![5_000_000]);
        assert_eq!(found["read"], Latencies { healthy, broken });
        assert_eq!(found["read"].broken.p99_ms, 5.0);
        assert_eq!(Quantiles::of(Vec::new()), Quantiles::default());
    }
}
