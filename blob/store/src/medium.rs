//! Errors of disks, told from those of the process.

use std::io;

use rustix::io::Errno;

/// Whether it is the disk that failed, or the file system that found its own data damaged, rather than the process that
/// lacks something.
pub(crate) fn is_of_the_medium(error: &io::Error) -> bool {
    let medium = [
        Errno::IO,
        Errno::NODATA,
        Errno::BADMSG,
        Errno::UCLEAN,
        Errno::ILSEQ,
        Errno::NODEV,
        Errno::NXIO,
    ];
    Errno::from_io_error(error).is_some_and(|code| medium.contains(&code))
}

/// Whether changes of this disk will go on failing until somebody looks after it: so, too, once its file system has made itself
/// read-only.
pub(crate) fn takes_no_changes(error: &io::Error) -> bool {
    is_of_the_medium(error) || Errno::from_io_error(error) == Some(Errno::ROFS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_medium_are_told_from_those_of_the_process() {
        let is = |code| is_of_the_medium(&io::Error::from_raw_os_error(code));
        assert!(is(5) && is(61) && is(74) && is(117));
        assert!(!is(24) && !is(12) && !is(13) && !is(2) && !is(30));
        let no_changes = |code| takes_no_changes(&io::Error::from_raw_os_error(code));
        assert!(no_changes(5) && no_changes(30));
        assert!(!no_changes(28) && !no_changes(122) && !no_changes(24) && !no_changes(2));
    }
}
