//! Digests of the replicas of a group as of the same place in its log: each makes its own when it applies the order.
//!
//! **Invariant:** the group goes on meanwhile; it waits only until the state to look at is held on to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use eggs_proto::GroupId;
use eggs_proto::meta::StateDigest;

use crate::state::{GroupView, StateDb};

/// Digests that one process makes at the same time; for further ones it has no answer, and will be asked again.
const AT_ONCE_MAX: usize = 8;

/// The last digest of each group, with what it was asked for as.
#[derive(Default)]
pub(crate) struct Digests {
    made: Mutex<BTreeMap<GroupId, (u64, StateDigest)>>,
    running: AtomicUsize,
}

impl Digests {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<GroupId, (u64, StateDigest)>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What came of an order.
    pub(crate) fn of(&self, group: GroupId, id: u64) -> Option<StateDigest> {
        let made = self.lock();
        let (made_as, digest) = made.get(&group)?;
        (*made_as == id).then(|| digest.clone())
    }

    /// Begins a digest of what is applied now.
    pub(crate) fn begin(
        self: &Arc<Self>,
        state: &Arc<StateDb>,
        (group, index): (GroupId, u64),
        id: u64,
    ) {
        if self.running.fetch_add(1, Ordering::Relaxed) >= AT_ONCE_MAX {
            self.running.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let (this, state) = (Arc::clone(self), Arc::clone(state));
        let (held, holds) = mpsc::sync_channel(1);
        let work = move || {
            let view = GroupView::moment(&state, group);
            let _ = held.send(()); // the group goes on
            match view.digest() {
                Ok(tables) => {
                    let digest = StateDigest { index, tables };
                    this.lock().insert(group, (id, digest));
                }
                Err(fault) => tracing::warn!(%group, %fault, "no digest of the state"),
            }
            this.running.fetch_sub(1, Ordering::Relaxed);
        };
        let spawned = std::thread::Builder::new()
            .name("digest".into())
            .spawn(work);
        match spawned {
            // An error means that the thread has ended; it had nothing to hold on to any more.
            Ok(_) => drop(holds.recv()),
            Err(cause) => {
                self.running.fetch_sub(1, Ordering::Relaxed);
                tracing::warn!(%group, %cause, "no thread for a digest");
            }
        }
    }
}
