//! Lists and plurals for findings.

use std::fmt::Display;

/// Most things that a finding names.
pub(super) const NAMED_MAX: usize = 6;

/// `a, b and 3 more`.
pub(super) fn list<T: Display>(things: &[T]) -> String {
    let named: Vec<String> = things.iter().take(NAMED_MAX).map(T::to_string).collect();
    match things.len().saturating_sub(NAMED_MAX) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// `1 disk`, `2 disks`.
pub(super) fn count(number: usize, singular: &str, plural: &str) -> String {
    format!("{number} {}", if number == 1 { singular } else { plural })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(list(&[1]), "1");
        assert_eq!(list(&[1, 2, 3, 4, 5, 6]), "1, 2, 3, 4, 5, 6");
        assert_eq!(
            list(&[1, 2, 3, 4, 5, 6, 7, 8]),
            "1, 2, 3, 4, 5, 6 and 2 more"
        );
    }
}
