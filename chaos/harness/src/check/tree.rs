//! A tree of directories that are moved below each other: every directory has one parent, and all lead to the root.

use super::linear::Model;

/// Parents of all directories; empty before the tree is planted. Directory 0 is the root.
pub(super) struct Tree;

/// What happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Plant(Vec<u8>),
    Graft {
        dir: u8,
        from: u8,
        to: u8,
    },
    /// A move was refused because the target is below what moves.
    WouldLoop {
        dir: u8,
        from: u8,
        to: u8,
    },
    /// It was looked for, or a move was refused for that reason.
    Seen {
        dir: u8,
        at: u8,
        found: bool,
    },
    Surveyed(Vec<Option<u8>>),
}

impl Model for Tree {
    type State = Vec<u8>;
    type Action = Action;

    fn step(&self, parents: &Vec<u8>, action: &Action) -> Option<Vec<u8>> {
        let parent = |dir: u8| parents.get(usize::from(dir)).copied();
        let same = || parents.clone();
        match action {
            Action::Plant(new) => parents.is_empty().then(|| new.clone()),
            Action::Graft { dir, from, to } => {
                let possible = parent(*dir) == Some(*from) && !is_inside(parents, *to, *dir);
                possible.then(|| {
                    let mut moved = same();
                    if let Some(parent) = moved.get_mut(usize::from(*dir)) {
                        *parent = *to;
                    }
                    moved
                })
            }
            Action::WouldLoop { dir, from, to } => {
                (parent(*dir) == Some(*from) && is_inside(parents, *to, *dir)).then(same)
            }
            Action::Seen { dir, at, found } => ((parent(*dir) == Some(*at)) == *found).then(same),
            Action::Surveyed(seen) => {
                let agrees = parents
                    .iter()
                    .zip(seen)
                    .all(|(kept, seen)| Some(*kept) == *seen);
                (agrees && parents.len() == seen.len()).then(same)
            }
        }
    }

    fn only_reads(&self, action: &Action) -> bool {
        match action {
            Action::WouldLoop { .. } | Action::Seen { .. } | Action::Surveyed(_) => true,
            Action::Plant(_) | Action::Graft { .. } => false,
        }
    }
}

/// Whether `inner` is `outer` or below it.
fn is_inside(parents: &[u8], inner: u8, outer: u8) -> bool {
    let mut at = inner;
    for _ in 0..=parents.len() {
        if at == outer {
            return true;
        }
        match parents.get(usize::from(at)) {
            Some(parent) if *parent != at => at = *parent,
            Some(_) | None => return false,
        }
    }
    true // in circles: nothing is outside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_cannot_go_below_itself() {
        // 0 <- 1 <- 2, 0 <- 3
        let tree = vec![0, 0, 1, 0];
        let graft = |dir, from, to| Tree.step(&tree, &Action::Graft { dir, from, to });
        assert_eq!(graft(1, 0, 3), Some(vec![0, 3, 1, 0]));
        assert_eq!(graft(1, 0, 2), None);
        assert_eq!(graft(1, 0, 1), None);
        assert_eq!(graft(1, 3, 3), None);
        let would_loop = |dir, from, to| Tree.step(&tree, &Action::WouldLoop { dir, from, to });
        assert!(would_loop(1, 0, 2).is_some());
        assert!(would_loop(1, 0, 3).is_none());
    }
}
