//! Makes the names in one directory durable, once for everybody who waits for it.
//!
//! **Invariant:** a caller returns well only after an fsync that began after its call.
//!
//! **Invariant:** a failed fsync is final: the kernel forgets what it could not write, so a later one
//! that succeeds proves nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};

use eggs_durable::sync_directory;

/// Makes the names in one directory durable.
#[derive(Debug)]
pub(crate) struct SharedSync {
    dir: PathBuf,
    state: Mutex<State>,
    finished: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Calls so far.
    asked: u64,
    /// Calls whose names are durable.
    synced: u64,
    running: bool,
    failed: bool,
}

impl SharedSync {
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            state: Mutex::default(),
            finished: Condvar::new(),
        }
    }

    /// Returns when all changes made to the directory before the call are durable.
    pub fn sync(&self) -> io::Result<()> {
        self.sync_by(sync_directory)
    }

    fn sync_by(&self, sync: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.asked += 1;
        let mine = state.asked;
        loop {
            if state.failed {
                return Err(io::Error::other("an earlier fsync of the directory failed"));
            }
            if state.synced >= mine {
                return Ok(());
            }
            if !state.running {
                break;
            }
            state = self
                .finished
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.running = true;
        let covered = state.asked;
        drop(state);
        let result = sync(&self.dir);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running = false;
        match result {
            Ok(()) => state.synced = state.synced.max(covered),
            Err(_) => state.failed = true,
        }
        self.finished.notify_all();
        result
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc;

    use super::*;

    /// Waits until so many have asked.
    fn until_asked(shared: &SharedSync, calls: u64) {
        while shared.state.lock().unwrap().asked < calls {
            std::thread::yield_now();
        }
    }

    #[test]
    fn who_comes_while_it_runs_waits_for_the_next_one_and_that_serves_all_of_them() {
        let shared = SharedSync::new(PathBuf::new());
        let (go_on, paused) = mpsc::channel::<()>();
        let syncs = AtomicU32::new(0);
        let count = |_: &Path| {
            syncs.fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        std::thread::scope(|scope| {
            scope.spawn(|| shared.sync_by(move |_| paused.recv().map_err(io::Error::other)));
            until_asked(&shared, 1);
            let waiting: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| shared.sync_by(count)))
                .collect();
            until_asked(&shared, 9);
            assert!(!waiting.iter().any(|thread| thread.is_finished()));
            go_on.send(()).unwrap();
            waiting
                .into_iter()
                .for_each(|thread| thread.join().unwrap().unwrap());
        });
        assert_eq!(syncs.into_inner(), 1);
    }

    #[test]
    fn everybody_returns_and_a_failure_is_final() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d");
        std::fs::create_dir(&path).unwrap();
        let shared = SharedSync::new(path.clone());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..20).for_each(|_| shared.sync().unwrap()));
            }
        });
        std::fs::remove_dir(&path).unwrap();
        assert!(shared.sync().is_err());
        std::fs::create_dir(&path).unwrap();
        assert!(shared.sync().is_err(), "a failure is never retried");
    }
}
