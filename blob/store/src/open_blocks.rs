//! Block files that stay open, so that reading a block again needs no look at directories.
//!
//! Blocks never change, so an open file is as good as its name, until the block is erased.
//!
//! **Invariant:** at most twice [`GENERATION_MAX`] files are open.
//!
//! **Invariant:** whoever only looks ([`OpenBlocks::with`]) never closes a file, which may take long when it was erased.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eggs_proto::BlockId;

use crate::access::BlockFile;

/// Files that were used since the generation changed.
const GENERATION_MAX: usize = 128;

/// Open files of one disk, as they were used lately.
#[derive(Debug, Default)]
pub(crate) struct OpenBlocks(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<BlockId, Arc<BlockFile>>,
    old: HashMap<BlockId, Arc<BlockFile>>,
}

impl OpenBlocks {
    /// The file of a block, if it is open.
    pub fn get(&self, block: BlockId) -> Option<Arc<BlockFile>> {
        let mut generations = self.lock();
        generations.find(block).cloned()
    }

    /// Looks at the file of a block, if it is open. The others wait meanwhile.
    pub fn with<T>(&self, block: BlockId, look: impl FnOnce(&BlockFile) -> T) -> Option<T> {
        let mut generations = self.lock();
        generations.find(block).map(|file| look(file))
    }

    /// Keeps a file open.
    pub fn keep(&self, block: BlockId, file: Arc<BlockFile>) {
        let mut generations = self.lock();
        let closed = generations.add(block, file);
        drop(generations);
        drop(closed);
    }

    /// The block is gone.
    pub fn forget(&self, block: BlockId) {
        let mut generations = self.lock();
        let closed = (
            generations.young.remove(&block),
            generations.old.remove(&block),
        );
        drop(generations);
        drop(closed);
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn find(&mut self, block: BlockId) -> Option<&Arc<BlockFile>> {
        // As long as it is used it stays young; where there is no room it stays old, and nothing is closed here.
        if self.young.len() < GENERATION_MAX
            && let Some(file) = self.old.remove(&block)
        {
            self.young.insert(block, file);
        }
        self.young.get(&block).or_else(|| self.old.get(&block))
    }

    /// Returns what is not kept open any more.
    fn add(&mut self, block: BlockId, file: Arc<BlockFile>) -> HashMap<BlockId, Arc<BlockFile>> {
        let mut closed = HashMap::new();
        if self.young.len() >= GENERATION_MAX {
            closed = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
        }
        let known = [self.old.remove(&block), self.young.insert(block, file)];
        closed.extend(known.into_iter().flatten().map(|file| (block, file)));
        closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Arc<BlockFile> {
        Arc::new(BlockFile {
            file: tempfile::tempfile().unwrap(),
            size: 4096,
        })
    }

    #[test]
    fn what_is_used_stays_open_and_few_files_are() {
        let open = OpenBlocks::default();
        open.keep(BlockId(0), file());
        for block in 1..10 * GENERATION_MAX as u64 {
            open.keep(BlockId(block), file());
            assert!(open.get(BlockId(0)).is_some(), "closed at {block}");
            let generations = open.lock();
            assert!(generations.young.len() <= GENERATION_MAX);
            assert!(generations.old.len() <= GENERATION_MAX);
        }
        assert!(open.get(BlockId(1)).is_none());
        open.forget(BlockId(0));
        assert!(open.with(BlockId(0), |file| file.size).is_none());
    }
}
