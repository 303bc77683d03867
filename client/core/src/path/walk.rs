//! The names still to be walked, as symlinks add to them.
//!
//! Pure.

use std::collections::VecDeque;

use eggs_proto::{BadName, Name, WALK_NAMES_MAX};

/// Most symlinks followed on one walk, as in Linux.
pub(super) const SYMLINKS_MAX: u32 = 40;

/// One component of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// `..`
    Up,
    /// A name.
    Down(Name),
}

/// What is left of a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Walk {
    steps: VecDeque<Step>,
    /// The path ends with `/`: what it names must be a directory.
    pub(super) directory: bool,
}

impl Walk {
    /// Splits a path. Empty components and `.` vanish.
    pub(super) fn new(path: &[u8]) -> Result<Self, BadName> {
        let mut steps = VecDeque::new();
        for part in path.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => steps.push_back(Step::Up),
                name => steps.push_back(Step::Down(Name::new(name)?)),
            }
        }
        let directory = matches!(path, [.., b'/'] | [.., b'/', b'.'] | b".");
        Ok(Self { steps, directory })
    }

    pub(super) fn next(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// The names up to the next `..`, at most as many as one request may hold; they are not taken.
    pub(super) fn names(&self) -> Vec<Name> {
        let down = self.steps.iter().map_while(|step| match step {
            Step::Down(name) => Some(name.clone()),
            Step::Up => None,
        });
        down.take(WALK_NAMES_MAX).collect()
    }

    /// Nothing is left after the step taken last.
    pub(super) fn is_last(&self) -> bool {
        self.steps.is_empty()
    }

    /// Goes on with the target of a symlink, then with what was left.
    pub(super) fn insert(&mut self, target: Self) {
        if self.steps.is_empty() {
            self.directory |= target.directory;
        }
        for step in target.steps.into_iter().rev() {
            self.steps.push_front(step);
        }
    }

    /// Takes the last name off; `None` if the path has none or ends with `..`.
    pub(super) fn split_last(&mut self) -> Option<Name> {
        match self.steps.pop_back()? {
            Step::Down(name) => Some(name),
            Step::Up => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down(name: &str) -> Step {
        Step::Down(Name::new(name).unwrap())
    }

    fn all(mut walk: Walk) -> Vec<Step> {
        std::iter::from_fn(|| walk.next()).collect()
    }

    #[test]
    fn components_are_split() {
        let walk = Walk::new(b"//a/./b/../c/").unwrap();
        assert!(walk.directory);
        assert_eq!(all(walk), [down("a"), down("b"), Step::Up, down("c")]);
        assert!(all(Walk::new(b"/").unwrap()).is_empty());
        assert!(!Walk::new(b"/a").unwrap().directory);
        assert!(Walk::new(&[b'x'; 256]).is_err());
        let names = Walk::new(b"a/b/../c").unwrap().names();
        assert_eq!(names, [Name::new("a").unwrap(), Name::new("b").unwrap()]);
    }

    #[test]
    fn a_symlink_comes_before_what_was_left() {
        let mut walk = Walk::new(b"link/rest").unwrap();
        assert_eq!(walk.next(), Some(down("link")));
        walk.insert(Walk::new(b"x/y").unwrap());
        assert_eq!(all(walk), [down("x"), down("y"), down("rest")]);
    }

    #[test]
    fn only_a_name_can_be_made() {
        assert_eq!(
            Walk::new(b"/a/b").unwrap().split_last(),
            Some(Name::new("b").unwrap())
        );
        assert_eq!(Walk::new(b"/").unwrap().split_last(), None);
        assert_eq!(Walk::new(b"/a/..").unwrap().split_last(), None);
    }
}
