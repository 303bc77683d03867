//! When a file that is being written becomes visible. Pure: events go in, actions come out.
//!
//! The kernel reports every `close(2)` of every duplicate of a descriptor (FLUSH, the closer waits for it) and,
//! later and without anybody waiting, that the last one is gone (RELEASE). A file has to be visible when the last
//! close returns, so FLUSH publishes if it was the last close as far as can be told; RELEASE makes up for what
//! could not be told.
//!
//! **Invariant:** a file whose last close was the death of its writer by a signal is never published.
//!
//! **Invariant:** what was changed is either published, reported as an error to a close, or discarded because of a
//! kill or an unlink; nothing is kept once the last handle is gone.

use crate::errno::Errno;

/// What a FLUSH means, as told by the state of the processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The closer is being killed by a signal.
    Killed,
    /// Somebody else still has the file open for writing.
    HeldElsewhere,
    /// Nobody has.
    LastClose,
}

/// What to do on FLUSH, before answering it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFlush {
    /// Answer success.
    Nothing,
    /// Publish, and answer how that went.
    Publish,
    /// Answer this error.
    Fail(Errno),
}

/// What to do on RELEASE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnRelease {
    /// Others have it open still.
    StillOpen,
    /// Everything is published.
    Nothing,
    /// Publish.
    Publish,
    /// Give the transient file up.
    Discard,
}

/// The state of one file that was opened for writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publication {
    opens: u32,
    stage: Stage,
    killed: bool,
    /// The name was removed or given to something else: nothing more of it will ever be visible.
    orphaned: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// There is something to be published: at least an empty file.
    Unpublished,
    /// All of it is visible.
    Published,
    /// Publishing failed and somebody was told.
    Failed(Errno),
}

impl Default for Publication {
    fn default() -> Self {
        Self::new()
    }
}

impl Publication {
    /// A new transient file that nobody has opened yet.
    pub const fn new() -> Self {
        Self {
            opens: 0,
            stage: Stage::Unpublished,
            killed: false,
            orphaned: false,
        }
    }

    /// Opened once more.
    pub fn opened(&mut self) {
        self.opens += 1;
        self.killed = false;
    }

    /// Written or truncated.
    pub fn changed(&mut self) {
        if self.stage == Stage::Published {
            self.stage = Stage::Unpublished;
        }
    }

    /// Whether its name has still to appear, or to appear again.
    pub fn is_pending(&self) -> bool {
        self.stage == Stage::Unpublished && !self.orphaned
    }

    /// Whether all of it is visible, or was until it was unlinked.
    pub fn is_published(&self) -> bool {
        self.stage == Stage::Published
    }

    /// Whether any handle is open.
    pub fn is_open(&self) -> bool {
        self.opens > 0
    }

    /// A FLUSH came.
    pub fn flushed(&mut self, verdict: Verdict) -> OnFlush {
        self.killed = verdict == Verdict::Killed;
        match (self.stage, verdict) {
            (Stage::Failed(errno), _) => OnFlush::Fail(errno),
            (Stage::Unpublished, Verdict::LastClose) if !self.orphaned => OnFlush::Publish,
            (Stage::Unpublished | Stage::Published, _) => OnFlush::Nothing,
        }
    }

    /// A RELEASE came.
    pub fn released(&mut self) -> OnRelease {
        self.opens = self.opens.saturating_sub(1);
        if self.opens > 0 {
            return OnRelease::StillOpen;
        }
        match self.stage {
            Stage::Published => OnRelease::Nothing,
            Stage::Unpublished if !self.killed && !self.orphaned => OnRelease::Publish,
            Stage::Unpublished | Stage::Failed(_) => OnRelease::Discard,
        }
    }

    /// It is visible.
    pub fn published(&mut self) {
        if self.stage == Stage::Unpublished {
            self.stage = Stage::Published;
        }
    }

    /// It could not be made visible, and never will be.
    pub fn failed(&mut self, errno: Errno) {
        if self.stage == Stage::Unpublished {
            self.stage = Stage::Failed(errno);
        }
    }

    /// Its name was removed or given to something else.
    pub fn orphaned(&mut self) {
        self.orphaned = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> Publication {
        let mut publication = Publication::new();
        publication.opened();
        publication
    }

    #[test]
    fn the_last_close_publishes_also_what_was_never_written() {
        let mut file = open();
        assert_eq!(file.flushed(Verdict::LastClose), OnFlush::Publish);
        file.published();
        assert_eq!(file.released(), OnRelease::Nothing);
    }

    #[test]
    fn the_shell_closes_the_first_descriptor_before_anything_is_written() {
        let mut file = open();
        assert_eq!(file.flushed(Verdict::HeldElsewhere), OnFlush::Nothing);
        file.changed();
        assert_eq!(file.flushed(Verdict::LastClose), OnFlush::Publish);
    }

    #[test]
    fn a_killed_writer_leaves_nothing() {
        let mut file = open();
        file.changed();
        assert_eq!(file.flushed(Verdict::Killed), OnFlush::Nothing);
        assert_eq!(file.released(), OnRelease::Discard);
    }

    #[test]
    fn the_latest_verdict_counts() {
        let mut file = open();
        file.flushed(Verdict::Killed);
        assert_eq!(file.flushed(Verdict::HeldElsewhere), OnFlush::Nothing);
        assert_eq!(file.released(), OnRelease::Publish);

        let mut file = open();
        file.flushed(Verdict::HeldElsewhere);
        file.flushed(Verdict::Killed);
        assert_eq!(file.released(), OnRelease::Discard);
    }

    #[test]
    fn a_release_publishes_what_no_flush_could() {
        let mut file = open();
        assert_eq!(file.flushed(Verdict::HeldElsewhere), OnFlush::Nothing);
        assert_eq!(file.released(), OnRelease::Publish);
    }

    #[test]
    fn a_write_after_publication_publishes_again() {
        let mut file = open();
        file.flushed(Verdict::LastClose);
        file.published();
        assert!(!file.is_pending());
        file.changed();
        assert_eq!(file.flushed(Verdict::LastClose), OnFlush::Publish);
        file.published();
        file.changed();
        assert_eq!(file.released(), OnRelease::Publish);
    }

    #[test]
    fn a_failure_is_told_to_every_close_and_nothing_appears_later() {
        let mut file = open();
        file.flushed(Verdict::LastClose);
        file.failed(Errno::IO);
        file.changed();
        assert_eq!(file.flushed(Verdict::LastClose), OnFlush::Fail(Errno::IO));
        assert_eq!(file.released(), OnRelease::Discard);
    }

    #[test]
    fn an_unlinked_file_is_discarded() {
        let mut file = open();
        file.orphaned();
        file.changed();
        assert_eq!(file.flushed(Verdict::LastClose), OnFlush::Nothing);
        assert_eq!(file.released(), OnRelease::Discard);
    }

    #[test]
    fn an_unlinked_file_does_not_come_back_when_written_again() {
        let mut file = open();
        file.flushed(Verdict::LastClose);
        file.published();
        file.orphaned();
        file.changed();
        assert_eq!(file.flushed(Verdict::LastClose), OnFlush::Nothing);
        assert_eq!(file.released(), OnRelease::Discard);
    }

    #[test]
    fn only_the_last_of_several_handles_releases() {
        let mut file = open();
        file.opened();
        assert_eq!(file.released(), OnRelease::StillOpen);
        assert_eq!(file.released(), OnRelease::Publish);
    }

    /// Every order of events up to a length: nothing that was killed last is published on release, and nothing
    /// unpublished is forgotten.
    #[test]
    fn all_short_histories_keep_the_invariants() {
        for history in 0..6_u32.pow(6) {
            let mut file = open();
            let (mut dirty, mut killed, mut dead) = (true, false, false);
            let mut rest = history;
            for _ in 0..6 {
                match rest % 6 {
                    0 => {
                        file.changed();
                        dirty = true;
                    }
                    step @ 1..=3 => {
                        let verdict = match step {
                            1 => Verdict::Killed,
                            2 => Verdict::HeldElsewhere,
                            _ => Verdict::LastClose,
                        };
                        killed = verdict == Verdict::Killed;
                        if file.flushed(verdict) == OnFlush::Publish {
                            assert!(!killed && dirty && !dead);
                            file.published();
                            dirty = false;
                        }
                    }
                    4 => {
                        dead = true;
                        file.orphaned();
                    }
                    _ => assert_eq!(file.is_pending(), dirty && !dead),
                }
                rest /= 6;
            }
            let expected = match (dirty && !dead, killed) {
                (true, false) => OnRelease::Publish,
                (true, true) => OnRelease::Discard,
                (false, _) if dirty => OnRelease::Discard,
                (false, _) => OnRelease::Nothing,
            };
            assert_eq!(file.released(), expected, "history {history}");
        }
    }
}
