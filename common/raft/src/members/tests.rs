use std::collections::BTreeSet;
use std::time::Duration;

use eggs_proto::{NodeId, ProcessRole};

use super::*;

fn node(index: u32) -> NodeId {
    NodeId::new(ProcessRole::Shard, index)
}

fn nodes(indexes: &[u32]) -> BTreeSet<NodeId> {
    indexes.iter().copied().map(node).collect()
}

/// Node 0 leads; all answer and have everything.
fn situation(voters: &[u32], learners: &[u32]) -> Situation {
    let fine = Progress {
        matched: Some(100),
        heard: Some(Duration::ZERO),
    };
    let all = voters.iter().chain(learners);
    Situation {
        node: node(0),
        members: Members {
            version: Some(1),
            voters: nodes(voters),
            target: nodes(voters),
            learners: nodes(learners),
        },
        last_log: 100,
        progress: all.map(|index| (node(*index), fine)).collect(),
    }
}

fn replace(add: u32, remove: u32) -> MemberChange {
    MemberChange::Promote {
        add: node(add),
        remove: Some(node(remove)),
    }
}

#[test]
fn a_replacement_goes_step_by_step_and_may_be_repeated() {
    let before = situation(&[0, 1, 2], &[]);
    let learn = MemberChange::AddLearner(node(3));
    assert_eq!(before.decide(learn), Ok(Step::Learn(node(3))));
    let stranger = before.decide(replace(3, 2));
    assert_eq!(stranger, Err(ChangeError::NotMember(node(3))));
    let learning = situation(&[0, 1, 2], &[3]);
    assert_eq!(learning.decide(learn), Ok(Step::Done));
    let voted = learning.decide(replace(3, 2));
    assert_eq!(voted, Ok(Step::Vote(nodes(&[0, 1, 3]))));
    let after = situation(&[0, 1, 3], &[]);
    for change in [learn, replace(3, 2), MemberChange::Settle] {
        assert_eq!(after.decide(change), Ok(Step::Done), "{change:?}");
    }
    let half = situation(&[0, 1, 2, 3], &[]);
    let rest = half.decide(replace(3, 2));
    assert_eq!(rest, Ok(Step::Vote(nodes(&[0, 1, 3]))));
}

#[test]
fn a_learner_votes_only_when_it_is_up_to_date() {
    let mut learning = situation(&[0, 1, 2], &[3]);
    let behind = Err(ChangeError::Behind { node: node(3) });
    let entry = learning.progress.get_mut(&node(3)).unwrap();
    entry.matched = Some(100 - LAG_MAX - 1);
    assert_eq!(learning.decide(replace(3, 2)), behind);
    let entry = learning.progress.get_mut(&node(3)).unwrap();
    *entry = Progress {
        matched: Some(100),
        heard: Some(FRESH),
    };
    assert_eq!(learning.decide(replace(3, 2)), behind);
    learning.progress.remove(&node(3));
    assert_eq!(learning.decide(replace(3, 2)), behind);
}

#[test]
fn one_change_at_a_time_and_an_interrupted_one_is_finished() {
    let mut joint = situation(&[0, 1, 2, 3], &[]);
    joint.members.target = nodes(&[0, 1, 3]);
    for change in [
        MemberChange::AddLearner(node(9)),
        MemberChange::Remove(node(1)),
        replace(3, 2),
    ] {
        assert_eq!(joint.decide(change), Err(ChangeError::Busy));
    }
    let settled = joint.decide(MemberChange::Settle);
    assert_eq!(settled, Ok(Step::Vote(nodes(&[0, 1, 3]))));
}

#[test]
fn no_step_leads_to_where_nobody_answers() {
    let mut dead = situation(&[0, 1, 2], &[]);
    dead.progress.remove(&node(1));
    let removed = dead.decide(MemberChange::Remove(node(2)));
    assert_eq!(removed, Err(ChangeError::NoMajority(node(2))));
    assert_eq!(
        dead.decide(MemberChange::Remove(node(1))),
        Ok(Step::Vote(nodes(&[0, 2])))
    );
    let alone = situation(&[0], &[]);
    let last = alone.decide(MemberChange::Remove(node(0)));
    assert_eq!(last, Err(ChangeError::NoMajority(node(0))));
    let full = situation(&[0, 1, 2], &[10, 11, 12, 13]);
    let learn = full.decide(MemberChange::AddLearner(node(14)));
    assert_eq!(learn, Err(ChangeError::TooMany));
}

#[test]
fn a_leader_that_leaves_hands_over_first() {
    let mut leaving = situation(&[0, 1, 2], &[3]);
    leaving.progress.remove(&node(1)); // dead
    let step = leaving.decide(replace(3, 0));
    assert_eq!(step, Ok(Step::HandOver(node(2))), "an heir who may vote");
    leaving.progress.remove(&node(2));
    let step = leaving.decide(replace(3, 0));
    assert_eq!(step, Err(ChangeError::NoMajority(node(3))));
}

/// All subsets of `0..5` that are a majority of every set of voters.
fn majorities(config: &[BTreeSet<u64>]) -> Vec<BTreeSet<u64>> {
    let subsets = (0..32u32).map(|bits| (0..5).filter(|n| bits >> n & 1 == 1).collect());
    subsets
        .filter(|set: &BTreeSet<u64>| {
            let of = |voters: &BTreeSet<u64>| voters.intersection(set).count() > voters.len() / 2;
            config.iter().all(of)
        })
        .collect()
}

#[test]
fn memberships_that_may_follow_each_other_have_no_disjoint_majorities() {
    let sets: Vec<BTreeSet<u64>> = (1..32u32)
        .map(|bits| (0..5).filter(|n| bits >> n & 1 == 1).collect())
        .collect();
    let mut split = 0;
    for old in &sets {
        for new in &sets {
            let joint = vec![old.clone(), new.clone()];
            let (before, after) = (vec![old.clone()], vec![new.clone()]);
            assert!(may_follow(&before, &joint) && may_follow(&joint, &after));
            assert_eq!(may_follow(&before, &after), old == new);
            for (one, other) in [(&before, &joint), (&joint, &after)] {
                for a in majorities(one) {
                    assert!(majorities(other).iter().all(|b| !a.is_disjoint(b)));
                }
            }
            let after = majorities(&after);
            let apart = |a: &BTreeSet<u64>| after.iter().any(|b| a.is_disjoint(b));
            split += usize::from(majorities(&before).iter().any(apart));
        }
    }
    assert!(split > 0, "without the joint step there are some");
}

#[test]
fn places_stay_when_one_is_replaced() {
    let leads = |voters: &[u32]| -> Vec<u32> {
        let voters = nodes(voters);
        (0..6)
            .map(|group| preferred(group, &voters).unwrap().index())
            .collect()
    };
    assert_eq!(leads(&[0, 1, 2]), [0, 1, 2, 0, 1, 2]);
    assert_eq!(leads(&[1, 2, 3]), [3, 1, 2, 3, 1, 2]);
    assert_eq!(leads(&[0, 2, 3]), [0, 3, 2, 0, 3, 2]);
    assert_eq!(leads(&[7]), [7; 6]);
    assert_eq!(preferred(1, &BTreeSet::new()), None);
}
