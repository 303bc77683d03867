//! One command's work on the state.

use eggs_machine::{Fault, Store};
use eggs_proto::{Epoch, Refusal, Time};

use crate::record::ClusterRecord;
use crate::tables;

/// Why a command stops.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A deterministic "no".
    Refusal(Refusal),
    /// Local breakage.
    Fault(Fault),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Whether clients have to hear of what a command did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    None,
    ForClients,
}

/// The state while one command works on it.
pub(crate) struct Transaction<'a> {
    pub store: &'a mut dyn Store,
    pub cluster: ClusterRecord,
    pub now: Time,
    news: News,
}

impl<'a> Transaction<'a> {
    pub(crate) fn begin(store: &'a mut dyn Store, now: Time) -> Result<Self, Fault> {
        let cluster = tables::get(store, tables::CLUSTER, ())?.unwrap_or_default();
        Ok(Self {
            store,
            cluster,
            now,
            news: News::None,
        })
    }

    /// Clients have to hear of this.
    pub(crate) fn tell_clients(&mut self) {
        self.news = News::ForClients;
    }

    /// Writes what there is once; the epoch grows by one at most.
    pub(crate) fn finish(mut self) {
        self.cluster.time = self.now;
        match self.news {
            News::None => {}
            News::ForClients => {
                self.cluster.epoch = Epoch(self.cluster.epoch.0.saturating_add(1));
            }
        }
        tables::put(self.store, tables::CLUSTER, (), &self.cluster);
    }
}
