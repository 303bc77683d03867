//! What a replica does about its leader: the decision.

use std::time::Duration;

use super::detector::Standing;

/// What a replica does about its leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stance {
    /// Leads, or follows somebody who lives: no election timer.
    Content,
    /// Its leader seems dead and it is the first who should follow: it campaigns as soon as the leases allow.
    Heir,
    /// Its leader seems dead and another should follow: it gives the heir a little time.
    Waiting,
    /// Its election timer runs.
    Free,
}

/// What a replica knows of its leader.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Following {
    pub(crate) term: u64,
    /// What is believed of the leader's process.
    pub(crate) standing: Standing,
    /// The term in which this replica agreed to rest.
    pub(crate) rests_in: Option<u64>,
    /// The term of the last message of a leader, and how long ago it was.
    pub(crate) heard: Option<(u64, Duration)>,
    /// Whether this replica is the first of those who live who should lead instead.
    pub(crate) heirship: Heirship,
}

/// Who should lead when the leader is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heirship {
    Ours,
    Anothers,
}

/// How long everybody waits for something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For a message of an awake leader whose process lives.
    pub(crate) group: Duration,
    /// For the heir.
    pub(crate) heir: Duration,
}

impl Following {
    pub(crate) fn stance(&self, patience: Patience) -> Stance {
        match self.standing {
            Standing::Alive { .. } => {
                let rests = self.rests_in == Some(self.term);
                let heard = self
                    .heard
                    .is_some_and(|(term, ago)| term == self.term && ago <= patience.group);
                if rests || heard {
                    Stance::Content
                } else {
                    Stance::Free
                }
            }
            Standing::Unknown => Stance::Free,
            Standing::Suspect { since } => match self.heirship {
                Heirship::Ours => Stance::Heir,
                Heirship::Anothers if since < patience.heir => Stance::Waiting,
                Heirship::Anothers => Stance::Free,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        group: Duration::from_secs(3),
        heir: Duration::from_millis(300),
    };
    const ALIVE: Standing = Standing::Alive { incarnation: 1 };

    fn following(standing: Standing) -> Following {
        Following {
            term: 5,
            standing,
            rests_in: None,
            heard: None,
            heirship: Heirship::Anothers,
        }
    }

    #[test]
    fn contentment_needs_a_live_process_and_word_of_this_term() {
        let heard = |term, s| Some((term, Duration::from_secs(s)));
        for (rests_in, heard, expected) in [
            (None, None, Stance::Free),
            (Some(5), None, Stance::Content),
            (Some(4), None, Stance::Free),
            (None, heard(5, 1), Stance::Content),
            (None, heard(5, 4), Stance::Free),
            (None, heard(4, 1), Stance::Free),
            (Some(5), heard(5, 4), Stance::Content),
        ] {
            let mut one = Following {
                rests_in,
                heard,
                ..following(ALIVE)
            };
            assert_eq!(one.stance(PATIENCE), expected, "{one:?}");
            one.standing = Standing::Unknown;
            assert_eq!(one.stance(PATIENCE), Stance::Free, "{one:?}");
        }
    }

    #[test]
    fn the_heir_comes_first_and_then_everybody() {
        let suspect = |ms| Standing::Suspect {
            since: Duration::from_millis(ms),
        };
        let mut one = Following {
            rests_in: Some(5),
            ..following(suspect(10))
        };
        assert_eq!(one.stance(PATIENCE), Stance::Waiting);
        one.standing = suspect(300);
        assert_eq!(one.stance(PATIENCE), Stance::Free);
        one.heirship = Heirship::Ours;
        assert_eq!(one.stance(PATIENCE), Stance::Heir);
    }
}
