//! How blocks were stored since the registry was last told.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eggs_proto::registry::{SCHEMES_MAX, SchemeInUse};
use eggs_proto::shard::ShardChange;

/// How blocks were stored since the registry was last told.
#[derive(Clone, Debug, Default)]
pub(super) struct SchemesInUse(Arc<Mutex<BTreeSet<SchemeInUse>>>);

/// How the blocks of a change are to be stored, if it adds any to a file. Those that are healed are stored as they were.
pub(super) fn stored_by(change: &ShardChange) -> Option<SchemeInUse> {
    let (class, layout) = if let ShardChange::AddExtent(extent) = change {
        (extent.class, extent.layout)
    } else if let ShardChange::CreateWithExtent { extent, .. } = change {
        (extent.class, extent.layout)
    } else {
        return None;
    };
    let scheme = layout.scheme;
    scheme.is_valid().then_some(SchemeInUse { class, scheme })
}

impl SchemesInUse {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<SchemeInUse>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was to be stored like that. Clients choose how, so more than can be told are not kept.
    pub fn note(&self, used: SchemeInUse) {
        let mut since = self.lock();
        if since.len() < SCHEMES_MAX {
            since.insert(used);
        }
    }

    /// Takes what there is.
    pub fn take(&self) -> BTreeSet<SchemeInUse> {
        std::mem::take(&mut self.lock())
    }
}
