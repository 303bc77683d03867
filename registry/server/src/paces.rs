//! Latencies between their arrival and the next judgement.
//!
//! **Invariant:** at most one report per registered process is kept, the last one.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use eggs_proto::NodeId;
use eggs_proto::registry::DiskPace;
use eggs_registry_state::Timed;

/// Most disks in one judgement: well inside of a log entry. The others have their turn with the next one.
const DISKS_MAX: usize = 16_000;

/// Latencies that wait to be proposed.
#[derive(Debug, Default)]
pub(crate) struct Paces(Mutex<BTreeMap<NodeId, Vec<DiskPace>>>);

impl Paces {
    /// Keeps what a registered process said.
    pub(crate) fn put(&self, node: NodeId, disks: Vec<DiskPace>) {
        self.lock().insert(node, disks);
    }

    /// Takes what waits, as much as one command may hold.
    pub(crate) fn take(&self) -> Vec<Timed> {
        let mut waiting = self.lock();
        let (mut taken, mut weight) = (Vec::new(), 0);
        while weight < DISKS_MAX {
            let Some((node, disks)) = waiting.pop_first() else {
                break;
            };
            weight += 1 + disks.len();
            taken.push(Timed { node, disks });
        }
        taken
    }

    /// Forgets everything: another process leads.
    pub(crate) fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Vec<DiskPace>>> {
        // The map is whole after every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eggs_proto::registry::Latency;
    use eggs_proto::{BlockServiceId, ProcessRole};

    #[test]
    fn the_last_word_counts_and_nothing_is_lost() {
        let paces = Paces::default();
        let pace = DiskPace {
            service: BlockServiceId(1),
            reads: Latency::default(),
            writes: Latency::default(),
        };
        for index in 0..100 {
            let node = NodeId::new(ProcessRole::Blocks, index);
            paces.put(node, Vec::new());
            paces.put(node, vec![pace; 255]);
        }
        let first = paces.take();
        assert!(first.len() < 100);
        assert!(first.iter().all(|timed| timed.disks.len() == 255));
        assert_eq!(first.len() + paces.take().len(), 100);
        assert_eq!(paces.take(), Vec::new());
    }
}
