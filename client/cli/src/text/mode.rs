//! Kind and permissions as `ls -l` shows them.

use eggs_proto::InodeKind;

/// As in `drwxr-xr-x`.
pub(crate) fn show_mode(kind: InodeKind, mode: u32) -> String {
    let mut shown = String::with_capacity(10);
    shown.push(match kind {
        InodeKind::Directory => 'd',
        InodeKind::File => '-',
        InodeKind::Symlink => 'l',
    });
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        shown.push(if bits & 4 == 0 { '-' } else { 'r' });
        shown.push(if bits & 2 == 0 { '-' } else { 'w' });
        shown.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    shown
}

/// The kind in one word.
pub(crate) const fn show_kind(kind: InodeKind) -> &'static str {
    match kind {
        InodeKind::Directory => "directory",
        InodeKind::File => "file",
        InodeKind::Symlink => "symlink",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        assert_eq!(show_mode(InodeKind::Directory, 0o1755), "drwxr-xr-t");
        assert_eq!(show_mode(InodeKind::File, 0o640), "-rw-r-----");
        assert_eq!(show_mode(InodeKind::Symlink, 0o4666), "lrwSrw-rw-");
    }
}
