//! Files reserved ahead, for mounts: the kernel wants the inode of a file as soon as it is created.
//!
//! Reserved files are taken from a shelf for each shard. An empty shelf is filled by one request, with one file at
//! first and with twice as many each time that it is soon empty again.
//!
//! **Invariant:** a reserved file is given out once, and only while most of its time is left.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eggs_proto::shard::{ShardChange, ShardReply};
use eggs_proto::{Cookie, InodeId, RESERVE_FILES_MAX, ShardId, TRANSIENT_MS};
use tokio::time::Instant;

use crate::client::Client;
use crate::error::ClientError;
use crate::raw::shard::unexpected;

/// How long a reserved file is good for. Its writer needs the rest of its time.
const GOOD_FOR: Duration = Duration::from_millis(TRANSIENT_MS / 2);
/// A shelf that lasted longer is filled with few files again.
const SOON: Duration = Duration::from_secs(10);
/// Most files on a shelf.
const FILES_MAX: u8 = 32;
const _: () = assert!(FILES_MAX <= RESERVE_FILES_MAX);

/// The shelves of all shards.
#[derive(Default)]
pub(crate) struct Reserves(Mutex<HashMap<ShardId, Arc<tokio::sync::Mutex<Shelf>>>>);

#[derive(Default)]
struct Shelf {
    files: VecDeque<(InodeId, Cookie)>,
    filled: Option<Instant>,
    /// How many the last request asked for.
    count: u8,
}

impl Reserves {
    fn shelf(&self, shard: ShardId) -> Arc<tokio::sync::Mutex<Shelf>> {
        let mut shelves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shelves.entry(shard).or_default().clone()
    }
}

impl Shelf {
    fn take(&mut self, now: Instant) -> Option<(InodeId, Cookie)> {
        let filled = self.filled?;
        if now.duration_since(filled) >= GOOD_FOR {
            self.files.clear(); // they expire by themselves
        }
        self.files.pop_front()
    }

    fn next_count(&self, now: Instant) -> u8 {
        match self.filled {
            Some(filled) if now.duration_since(filled) < SOON => {
                self.count.saturating_mul(2).clamp(1, FILES_MAX)
            }
            Some(_) | None => 1,
        }
    }

    fn fill(&mut self, files: Vec<(InodeId, Cookie)>, count: u8, now: Instant) {
        self.files = files.into();
        self.filled = Some(now);
        self.count = count;
    }
}

impl Client {
    /// An empty transient file on the shard of a directory.
    pub(super) async fn reserved_file(
        &self,
        dir: InodeId,
    ) -> Result<(InodeId, Cookie), ClientError> {
        let shard = dir.shard();
        let shelf = self.inner.reserves.shelf(shard);
        // Held while asking: whoever else finds the shelf empty waits for the same answer.
        let mut shelf = shelf.lock().await;
        let now = Instant::now();
        if let Some(file) = shelf.take(now) {
            return Ok(file);
        }
        let count = shelf.next_count(now);
        let reply = self
            .shard_change(shard, ShardChange::Reserve { dir, count })
            .await?;
        let ShardReply::Reserved(files) = reply else {
            return Err(unexpected(shard));
        };
        shelf.fill(files, count, now);
        shelf.take(now).ok_or_else(|| unexpected(shard))
    }
}

#[cfg(test)]
mod tests {
    use eggs_proto::InodeKind;

    use super::*;

    fn files(count: u8) -> Vec<(InodeId, Cookie)> {
        let file = |n| InodeId::new(InodeKind::File, ShardId(3), n);
        (1..=u64::from(count))
            .map(|n| (file(n), Cookie(n)))
            .collect()
    }

    #[test]
    fn a_busy_shelf_grows_and_a_quiet_one_shrinks() {
        let mut shelf = Shelf::default();
        let mut now = Instant::now();
        let mut counts = Vec::new();
        for _ in 0..7 {
            let count = shelf.next_count(now);
            counts.push(count);
            shelf.fill(files(count), count, now);
            now += Duration::from_secs(1);
        }
        assert_eq!(counts, [1, 2, 4, 8, 16, 32, 32]);
        assert_eq!(shelf.next_count(now + SOON), 1);
    }

    #[test]
    fn each_file_is_taken_once_and_old_ones_never() {
        let mut shelf = Shelf::default();
        let now = Instant::now();
        assert_eq!(shelf.take(now), None);
        shelf.fill(files(3), 3, now);
        let (first, second) = (shelf.take(now), shelf.take(now));
        assert!(first.is_some() && second.is_some() && first != second);
        assert_eq!(shelf.take(now + GOOD_FOR), None);
        assert_eq!(shelf.take(now), None);
    }
}
