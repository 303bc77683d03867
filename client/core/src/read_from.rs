//! Which replicas answer reads.

use std::fmt;
use std::str::FromStr;

/// Which replicas answer reads of shards. Reads are linearizable either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadFrom {
    /// The leader alone, which needs to ask nobody.
    #[default]
    Leader,
    /// Any: a follower asks the leader how far it has to be, once for all reads that wait, and answers from its own
    /// state. A read takes a little longer, and the work is spread.
    Any,
}

/// Neither `leader` nor `any`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("reads are answered by 'leader' or 'any'")]
pub struct NotAReplica;

impl FromStr for ReadFrom {
    type Err = NotAReplica;

    fn from_str(text: &str) -> Result<Self, NotAReplica> {
        match text {
            "leader" => Ok(Self::Leader),
            "any" => Ok(Self::Any),
            _ => Err(NotAReplica),
        }
    }
}

impl fmt::Display for ReadFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leader => "leader",
            Self::Any => "any",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        for each in [ReadFrom::Leader, ReadFrom::Any] {
            assert_eq!(each.to_string().parse(), Ok(each));
        }
        assert_eq!("all".parse::<ReadFrom>(), Err(NotAReplica));
    }
}
