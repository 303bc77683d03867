//! Memory that all disks of the process share, such that none of them can take what the others need.
//!
//! A disk may hold as much as it leaves free: the first that is slow gets half of all, a second one half of
//! what is left, and the rest go on.
//!
//! **Invariant:** what is held is never more than the whole.
//!
//! **Invariant:** however much is asked for one disk, it holds no more than is free for the others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eggs_proto::BlockServiceId;
use tokio::sync::Notify;

use crate::pool::Overloaded;

/// Requests for one disk that may wait for memory.
const WAITING_MAX: usize = 128;

/// The memory.
#[derive(Clone, Debug)]
pub(crate) struct Shares(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug)]
struct State {
    free: u64,
    disks: BTreeMap<BlockServiceId, Held>,
}

#[derive(Debug, Default)]
struct Held {
    bytes: u64,
    waiting: usize,
}

/// What one request holds; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    of: Shares,
    service: BlockServiceId,
    bytes: u64,
}

/// A request that waits.
struct Waiting<'a> {
    of: &'a Shares,
    service: BlockServiceId,
}

impl Shares {
    /// This many bytes in all.
    pub fn new(bytes: u64) -> Self {
        Self(Arc::new(Inner {
            state: Mutex::new(State {
                free: bytes,
                disks: BTreeMap::new(),
            }),
            freed: Notify::new(),
        }))
    }

    /// Takes memory for a disk if there is any for it now.
    pub fn try_take(&self, service: BlockServiceId, bytes: u64) -> Result<Share, Overloaded> {
        let mut state = self.lock();
        let State { free, disks } = &mut *state;
        let held = disks.entry(service).or_default();
        if held.bytes.saturating_add(bytes) > *free {
            return Err(Overloaded);
        }
        held.bytes += bytes;
        *free -= bytes;
        Ok(Share {
            of: self.clone(),
            service,
            bytes,
        })
    }

    /// Waits for memory for a disk, unless too many wait for that already.
    pub async fn take(&self, service: BlockServiceId, bytes: u64) -> Result<Share, Overloaded> {
        if let Ok(share) = self.try_take(service, bytes) {
            return Ok(share);
        }
        let _waiting = self.wait_for(service)?;
        loop {
            let mut freed = std::pin::pin!(self.0.freed.notified());
            // What is freed from here on is not missed.
            freed.as_mut().enable();
            if let Ok(share) = self.try_take(service, bytes) {
                return Ok(share);
            }
            freed.await;
        }
    }

    fn wait_for(&self, service: BlockServiceId) -> Result<Waiting<'_>, Overloaded> {
        let mut state = self.lock();
        let held = state.disks.entry(service).or_default();
        if held.waiting >= WAITING_MAX {
            return Err(Overloaded);
        }
        held.waiting += 1;
        Ok(Waiting { of: self, service })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The sums are right after every statement that can panic.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut state = self.of.lock();
        state.free += self.bytes;
        if let Some(held) = state.disks.get_mut(&self.service) {
            held.bytes = held.bytes.saturating_sub(self.bytes);
        }
        drop(state);
        self.of.0.freed.notify_waiters();
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(held) = self.of.lock().disks.get_mut(&self.service) {
            held.waiting = held.waiting.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SLOW: BlockServiceId = BlockServiceId(1);
    const WELL: BlockServiceId = BlockServiceId(2);

    fn greedy(shares: &Shares, service: BlockServiceId) -> Vec<Share> {
        std::iter::from_fn(|| shares.try_take(service, 1).ok()).collect()
    }

    #[test]
    fn one_disk_leaves_half_for_the_others_and_gives_back_what_it_had() {
        let shares = Shares::new(1000);
        let slow = greedy(&shares, SLOW);
        assert_eq!(slow.len(), 500);
        let well = greedy(&shares, WELL);
        assert_eq!(well.len(), 250);
        assert_eq!(greedy(&shares, BlockServiceId(3)).len(), 125);
        drop(slow);
        // Now the other may have more than it had, and still no more than it leaves.
        assert_eq!(greedy(&shares, WELL).len(), 250);
        drop(well);
        assert_eq!(shares.lock().free, 1000);
    }

    #[test]
    fn one_that_asks_for_everything_gets_it_when_nobody_else_has_any() {
        let shares = Shares::new(1000);
        assert!(shares.try_take(SLOW, 1001).is_err());
        let all = shares.try_take(SLOW, 1000).unwrap();
        assert!(shares.try_take(WELL, 1).is_err());
        drop(all);
        assert!(shares.try_take(WELL, 1).is_ok());
    }

    #[tokio::test]
    async fn who_waits_gets_what_is_given_back_and_few_wait() {
        let shares = Shares::new(100);
        let first = shares.take(SLOW, 50).await.unwrap();
        let mut waiting = Vec::new();
        for _ in 0..WAITING_MAX {
            let shares = shares.clone();
            waiting.push(tokio::spawn(async move {
                shares.take(SLOW, 50).await.map(drop)
            }));
        }
        let all_wait = async {
            while shares.lock().disks[&SLOW].waiting < WAITING_MAX {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), all_wait)
            .await
            .unwrap();
        assert_eq!(shares.take(SLOW, 50).await.err(), Some(Overloaded));
        drop(first);
        for waited in waiting {
            assert_eq!(waited.await.unwrap(), Ok(()));
        }
        let state = shares.lock();
        assert_eq!((state.free, state.disks[&SLOW].waiting), (100, 0));
    }
}
