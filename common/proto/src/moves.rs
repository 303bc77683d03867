//! What to do next, so that a group's replica is on another process. Pure.
//!
//! **Invariant:** the next step follows from how the group is alone, so that whoever asks again goes on where somebody
//! else stopped.

use crate::meta::{MemberStep, ReplicaInfo};
use crate::{GroupId, NodeId};

/// A replica that is to be on another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Move {
    /// Of which group.
    pub group: GroupId,
    /// The process that has it.
    pub from: NodeId,
    /// The process that gets it.
    pub to: NodeId,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it is as wanted.
    Done,
    /// Ask the leader for this step.
    Ask(MemberStep),
    /// There is nothing to move.
    Nothing,
}

/// What to do next, as the group's leader describes it.
pub fn next(info: &ReplicaInfo, wanted: Move) -> Next {
    let Move { from, to, .. } = wanted;
    let votes = |node| info.voters.contains(&node);
    let learns = |node| info.learners.contains(&node);
    if info.changing {
        return Next::Ask(MemberStep::Settle);
    }
    match (votes(from), votes(to)) {
        (false, true) if learns(from) => Next::Ask(MemberStep::Remove(from)),
        (false, true) => Next::Done,
        (false, false) if learns(from) => Next::Ask(MemberStep::Remove(from)),
        (false, false) if learns(to) => Next::Ask(MemberStep::Remove(to)), // whom it was for has left
        (false, false) => Next::Nothing,
        (true, false) if !learns(to) => Next::Ask(MemberStep::AddLearner(to)),
        (true, _) => Next::Ask(MemberStep::Promote {
            add: to,
            remove: Some(from),
        }),
    }
}

#[cfg(test)]
mod tests {
    use crate::ProcessRole;

    use super::*;

    fn node(index: u32) -> NodeId {
        NodeId::new(ProcessRole::Shard, index)
    }

    fn info(voters: &[u32], learners: &[u32]) -> ReplicaInfo {
        let nodes = |all: &[u32]| all.iter().copied().map(node).collect();
        ReplicaInfo {
            group: GroupId(1),
            term: 1,
            leader: Some(node(1)),
            last_log: 1,
            applied: 1,
            version: 0,
            voters: nodes(voters),
            changing: false,
            learners: nodes(learners),
            progress: Vec::new(),
        }
    }

    const WANTED: Move = Move {
        group: GroupId(1),
        from: NodeId::new(ProcessRole::Shard, 0),
        to: NodeId::new(ProcessRole::Shard, 3),
    };

    /// What a leader does with a step.
    fn apply(info: &mut ReplicaInfo, step: MemberStep) {
        let forget = |list: &mut Vec<NodeId>, node: NodeId| list.retain(|known| *known != node);
        match step {
            MemberStep::AddLearner(node) => info.learners.push(node),
            MemberStep::Promote { add, remove } => {
                forget(&mut info.learners, add);
                forget(&mut info.voters, add);
                info.voters.push(add);
                if let Some(node) = remove {
                    forget(&mut info.voters, node);
                }
            }
            MemberStep::Remove(node) => {
                forget(&mut info.learners, node);
                forget(&mut info.voters, node);
            }
            MemberStep::Settle => info.changing = false,
        }
    }

    #[test]
    fn from_wherever_somebody_stopped_it_ends_and_never_with_fewer_or_more() {
        let starts: [(&[u32], &[u32]); 7] = [
            (&[0, 1, 2], &[]),
            (&[0, 1, 2], &[3]),
            (&[0, 1, 2, 3], &[]),
            (&[1, 2, 3], &[0]),
            (&[1, 2, 3], &[]),
            (&[0, 1, 2], &[3, 4]),
            (&[1, 2, 4], &[3]),
        ];
        for (voters, learners) in starts {
            for changing in [false, true] {
                let mut group = info(voters, learners);
                group.changing = changing;
                let mut steps = 0;
                let end = loop {
                    match next(&group, WANTED) {
                        Next::Ask(step) => apply(&mut group, step),
                        end => break end,
                    }
                    steps += 1;
                    assert!(steps < 5, "{voters:?} {learners:?}");
                };
                assert_eq!(group.voters.len(), 3, "{voters:?} {learners:?}");
                assert!(!group.voters.contains(&WANTED.from));
                let there = group.voters.contains(&WANTED.to);
                assert_eq!(end == Next::Done, there);
                assert!(!group.learners.contains(&WANTED.to));
            }
        }
    }
}
