//! Pipes that hold pages of block files on their way to a socket: by reference, so that nobody copies them.
//!
//! **Invariant:** at most [`PIPES_MAX`] exist, and one that waits for its next use is empty.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

/// What a pipe holds, in bytes; the most that the kernel allows anybody by default.
pub(crate) const PIPE_BYTES: usize = 1 << 20;
/// Pipes of one process. Each is two open files, and pins up to [`PIPE_BYTES`] of the page cache.
const PIPES_MAX: usize = 32;

/// A pipe.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub read: OwnedFd,
    pub write: OwnedFd,
    /// Bytes in it.
    pub held: usize,
}

/// The pipes of a process.
#[derive(Clone, Debug, Default)]
pub struct Pipes(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    idle: Vec<Pipe>,
    /// Idle or in use.
    made: usize,
    /// The kernel gave a smaller one, because its user has too many.
    refused: bool,
}

impl Pipes {
    /// Enough of them for so many bytes, or none: then the bytes have to be copied.
    pub(crate) fn take(&self, bytes: usize) -> Option<Vec<Pipe>> {
        let wanted = bytes.div_ceil(PIPE_BYTES);
        let mut state = self.lock();
        let new = wanted.saturating_sub(state.idle.len());
        if state.made + new > PIPES_MAX || (new > 0 && state.refused) {
            return None;
        }
        let at = state.idle.len() - (wanted - new);
        let mut taken = state.idle.split_off(at);
        for _ in 0..new {
            match make() {
                Some(pipe) => {
                    state.made += 1;
                    taken.push(pipe);
                }
                None => {
                    tracing::info!("no more large pipes for this user; pages are copied instead");
                    state.refused = true;
                    state.idle.append(&mut taken);
                    return None;
                }
            }
        }
        Some(taken)
    }

    /// Takes pipes back; what is in them is thrown away with them.
    pub(crate) fn give_back(&self, pipes: impl IntoIterator<Item = Pipe>) {
        let mut state = self.lock();
        for pipe in pipes {
            if pipe.held == 0 {
                state.idle.push(pipe);
            } else {
                state.made -= 1;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make() -> Option<Pipe> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
    let size = fcntl_setpipe_size(&write, PIPE_BYTES).ok()?;
    (size >= PIPE_BYTES).then_some(Pipe {
        read,
        write,
        held: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_few_and_only_empty_ones_are_used_again() {
        let pipes = Pipes::default();
        let all = pipes.take(PIPES_MAX * PIPE_BYTES).unwrap();
        assert_eq!(all.len(), PIPES_MAX);
        assert!(pipes.take(1).is_none());
        let first = all[0].read.try_clone().unwrap();
        let mut all = all;
        all[1].held = 5;
        pipes.give_back(all);
        assert_eq!(pipes.lock().made, PIPES_MAX - 1);
        assert!(pipes.lock().idle.iter().all(|pipe| pipe.held == 0));
        assert_eq!(pipes.take(PIPE_BYTES + 1).unwrap().len(), 2);
        drop(first);
    }
}
