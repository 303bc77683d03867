//! Heartbeats between their arrival and the next observation.
//!
//! **Invariant:** at most one heartbeat per registered process is kept, the last one.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use eggs_proto::NodeId;
use eggs_registry_state::Beat;
use tokio::sync::Notify;

/// Most items in one observation: about a megabyte, well inside of a log entry.
const WEIGHT_MAX: usize = 16_000;

/// Heartbeats that wait to be proposed.
#[derive(Debug, Default)]
pub(crate) struct Beats {
    kept: Mutex<Kept>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Kept {
    waiting: BTreeMap<NodeId, Beat>,
    /// What each process said last, to tell news from routine.
    said: BTreeMap<NodeId, Beat>,
}

impl Beats {
    /// Keeps a heartbeat of a registered process.
    pub(crate) fn put(&self, beat: Beat) {
        let mut kept = self.lock();
        let is_news = kept
            .said
            .get(&beat.node)
            .is_none_or(|said| differs(said, &beat));
        kept.said.insert(beat.node, beat.clone());
        kept.waiting.insert(beat.node, beat);
        drop(kept);
        if is_news {
            self.news.notify_one();
        }
    }

    /// Waits for a heartbeat that others should hear of soon.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }

    /// Takes what waits, in portions for one observation each; at least one, possibly empty.
    pub(crate) fn take(&self) -> Vec<Vec<Beat>> {
        let waiting = std::mem::take(&mut self.lock().waiting);
        let mut portions = vec![Vec::new()];
        let mut weight = 0;
        for beat in waiting.into_values() {
            let more = 1 + beat.leads.len() + beat.services.len();
            if weight + more > WEIGHT_MAX && weight > 0 {
                portions.push(Vec::new());
                weight = 0;
            }
            weight += more;
            if let Some(last) = portions.last_mut() {
                last.push(beat);
            }
        }
        portions
    }

    /// Takes back what was not proposed, unless something newer has come.
    pub(crate) fn give_back(&self, beats: Vec<Beat>) {
        let mut kept = self.lock();
        for beat in beats {
            kept.waiting.entry(beat.node).or_insert(beat);
        }
    }

    /// Forgets everything: another process leads.
    pub(crate) fn forget(&self) {
        *self.lock() = Kept::default();
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Both maps are whole after every statement.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a heartbeat says something that clients act upon.
fn differs(said: &Beat, new: &Beat) -> bool {
    if said.leads != new.leads || said.services.len() != new.services.len() {
        return true;
    }
    said.services.iter().zip(&new.services).any(|(old, new)| {
        let moved = old.available_bytes.abs_diff(new.available_bytes);
        old.service != new.service
            || old.fenced != new.fenced
            || (old.available_bytes == 0) != (new.available_bytes == 0)
            || moved > new.capacity_bytes / 100
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use eggs_proto::registry::ServiceReport;
    use eggs_proto::{BlockServiceId, GroupId, ProcessRole};

    fn beat(index: u32, available_bytes: u64) -> Beat {
        Beat {
            node: NodeId::new(ProcessRole::Blocks, index),
            leads: vec![],
            services: vec![ServiceReport {
                service: BlockServiceId(u64::from(index)),
                capacity_bytes: 1000,
                available_bytes,
                used_bytes: 0,
                blocks: 0,
                io_errors: 0,
                fenced: false,
            }],
        }
    }

    #[test]
    fn only_the_last_one_counts() {
        let beats = Beats::default();
        beats.put(beat(1, 500));
        beats.put(beat(1, 400));
        assert_eq!(beats.take(), [[beat(1, 400)]]);
        assert_eq!(beats.take(), [Vec::new()]);
        beats.put(beat(1, 300));
        beats.give_back(vec![beat(1, 400), beat(2, 1)]);
        assert_eq!(beats.take(), [[beat(1, 300), beat(2, 1)]]);
    }

    #[test]
    fn many_make_several_portions() {
        let beats = Beats::default();
        let heavy = |index| {
            let mut heavy = beat(index, 1);
            heavy.services = vec![heavy.services[0]; 255];
            heavy
        };
        (0..100).for_each(|index| beats.put(heavy(index)));
        let portions = beats.take();
        assert_eq!(portions.len(), 2);
        assert_eq!(portions.iter().map(Vec::len).sum::<usize>(), 100);
    }

    #[test]
    fn routine_is_no_news() {
        assert!(!differs(&beat(1, 500), &beat(1, 495)));
        assert!(differs(&beat(1, 500), &beat(1, 400)));
        assert!(differs(&beat(1, 5), &beat(1, 0)));
        let mut leader = beat(1, 500);
        leader.leads = vec![GroupId(1)];
        assert!(differs(&beat(1, 500), &leader));
    }
}
