//! Whether those who were just answered are worth waiting for.
//!
//! Who works on a group without a break asks again as soon as there is an answer. Without waiting there come to be two halves: while the entry of
//! one is written the other one waits, and each entry, with its frames, syncs and wake-ups on every replica, is for half of them
//! only. The same idea as the `commit_siblings` of databases (ADR 34).
//!
//! Pure.

use std::time::Duration;

/// How long the others are waited for, at most. Timers of the runtime count in milliseconds.
pub(super) const PATIENCE: Duration = Duration::from_millis(1);
/// Entries of fewer commands cost their clients more than gathering would save.
const COMMANDS_MIN: usize = 8;
/// Entries after which nobody is waited for, once those who were waited for did not come.
const DISAPPOINTED: u32 = 64;

/// What is known of those who propose commands.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// Entries until somebody is waited for again.
    pause: u32,
}

impl Crowd {
    /// How many commands the next entry should have, if that is worth waiting for: three quarters of those who were just answered and of
    /// those who wait, so that a few may have ended or take their time. An entry that took no longer than the waiting might
    /// is better followed by the next one at once.
    pub(super) fn worth_waiting_for(
        &mut self,
        answered: usize,
        waiting: usize,
        took: Duration,
    ) -> Option<usize> {
        if self.pause > 0 {
            self.pause -= 1;
            return None;
        }
        let wanted = (answered + waiting) * 3 / 4;
        let is_crowd = answered >= COMMANDS_MIN && took >= PATIENCE;
        (is_crowd && waiting < wanted).then_some(wanted)
    }

    /// Takes note of whether they came.
    pub(super) fn note(&mut self, came: bool) {
        if !came {
            self.pause = DISAPPOINTED;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_millis(2);

    /// Commands per entry of clients that ask again as soon as they are answered, half a millisecond later, entries taking two.
    fn per_entry(clients: usize) -> usize {
        let mut crowd = Crowd::default();
        let mut commands = 1;
        let (entries, mut sum) = (100, 0);
        for _ in 0..entries {
            sum += commands;
            // Those who were answered before this entry have asked again meanwhile.
            let mut waiting = clients - commands;
            let wanted = crowd.worth_waiting_for(commands, waiting, LONG);
            if let Some(wanted) = wanted {
                assert!(wanted <= clients, "more than there are");
                crowd.note(true);
                waiting = wanted;
            }
            commands = waiting.max(1);
        }
        sum / entries
    }

    #[test]
    fn entries_are_for_most_of_those_who_work_without_a_break() {
        for clients in [16, 64, 256] {
            assert!(per_entry(clients) >= clients * 2 / 3, "{clients} clients");
        }
    }

    #[test]
    fn few_commands_quick_entries_and_enough_who_wait_are_not_waited_for() {
        let mut crowd = Crowd::default();
        let after = |crowd: &mut Crowd, answered, waiting, took| {
            crowd.worth_waiting_for(answered, waiting, took).is_some()
        };
        assert!(!after(&mut crowd, COMMANDS_MIN - 1, 0, LONG));
        assert!(!after(&mut crowd, 32, 0, PATIENCE / 2));
        assert!(!after(&mut crowd, 8, 24, LONG));
        assert!(after(&mut crowd, 32, 32, LONG));
    }

    #[test]
    fn who_does_not_come_is_not_waited_for_again_soon() {
        let mut crowd = Crowd::default();
        let mut waits = 0;
        for _ in 0..10 * (DISAPPOINTED + 1) {
            if crowd.worth_waiting_for(32, 0, LONG).is_some() {
                waits += 1;
                crowd.note(false);
            }
        }
        assert_eq!(waits, 10);
    }
}
