//! When the power is cut.

use rustix::io::Errno;

/// How many changes there is power for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Power {
    left: u64,
    spent: u64,
    off: bool,
}

impl Power {
    /// Power for so many changes; the next one meets the cut.
    pub const fn for_changes(count: u64) -> Self {
        Self {
            left: count,
            spent: 0,
            off: false,
        }
    }

    /// Power without end.
    pub const fn endless() -> Self {
        Self::for_changes(u64::MAX)
    }

    /// Changes that were made.
    pub const fn spent(&self) -> u64 {
        self.spent
    }

    /// Whether it was cut.
    pub const fn is_off(&self) -> bool {
        self.off
    }

    /// Cuts it now.
    pub const fn cut(&mut self) {
        self.off = true;
    }

    /// Without power nothing works.
    pub(crate) const fn check(&self) -> Result<(), Errno> {
        if self.off { Err(Errno::IO) } else { Ok(()) }
    }

    /// Asked before each change.
    pub(crate) fn spend(&mut self) -> Result<(), Errno> {
        self.off |= self.left == 0;
        self.check()?;
        self.left -= 1;
        self.spent += 1;
        Ok(())
    }
}
