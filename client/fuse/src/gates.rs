//! Publications that a RELEASE has started. Requests that the kernel queued after that RELEASE and that touch the
//! same directory or file wait for them.
//!
//! **Invariant:** gates are closed and looked for in the one thread that reads requests, in the order of their
//! arrival; only the waiting happens elsewhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use eggs_proto::InodeId;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::lock::lock;

/// All closed gates by what they bar.
#[derive(Clone, Debug, Default)]
pub struct Gates(Arc<Mutex<HashMap<InodeId, Vec<CancellationToken>>>>);

/// A closed gate; opens when dropped, also by a panic.
#[derive(Debug)]
pub struct Gate {
    gates: Gates,
    bars: [InodeId; 2],
    open: Option<DropGuard>,
}

/// Gates that were closed when a request arrived.
#[derive(Debug, Default)]
pub struct Waits(Vec<CancellationToken>);

impl Gates {
    /// Bars a directory and a file.
    pub fn close(&self, bars: [InodeId; 2]) -> Gate {
        let token = CancellationToken::new();
        let mut gates = lock(&self.0);
        for inode in bars {
            gates.entry(inode).or_default().push(token.clone());
        }
        Gate {
            gates: self.clone(),
            bars,
            open: Some(token.drop_guard()),
        }
    }

    /// What a request that touches these inodes has to wait for.
    pub fn before(&self, inodes: &[InodeId]) -> Waits {
        let gates = lock(&self.0);
        if gates.is_empty() {
            return Waits::default();
        }
        let closed = inodes.iter().filter_map(|inode| gates.get(inode));
        Waits(closed.flatten().cloned().collect())
    }
}

impl Waits {
    /// Waits until all are open.
    pub async fn wait(self) {
        for gate in self.0 {
            gate.cancelled().await;
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        drop(self.open.take());
        let mut gates = lock(&self.gates.0);
        for inode in self.bars {
            if let Some(closed) = gates.get_mut(&inode) {
                closed.retain(|token| !token.is_cancelled());
                if closed.is_empty() {
                    gates.remove(&inode);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use eggs_proto::{InodeKind, ShardId};

    use super::*;

    #[tokio::test]
    async fn what_came_later_waits_and_nothing_stays_behind() {
        let file = InodeId::new(InodeKind::File, ShardId(0), 1);
        let gates = Gates::default();
        let gate = gates.close([InodeId::ROOT, file]);
        assert!(gates.before(&[]).0.is_empty());
        let mut waiting = tokio_test_future(gates.before(&[file]));
        assert!(
            futures::poll!(&mut waiting).is_pending(),
            "the gate is closed"
        );
        drop(gate);
        waiting.await;
        assert!(lock(&gates.0).is_empty());
    }

    fn tokio_test_future(waits: Waits) -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(waits.wait())
    }
}
