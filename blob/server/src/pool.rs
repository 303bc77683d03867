//! The threads of one disk and what waits for them.
//!
//! Threads are made when something waits and none is idle, and end when there has been nothing to do for a while.
//!
//! **Invariant:** no kind of work ever has all threads, so reads go on while writes wait for an fsync,
//! and the other way round.
//!
//! **Invariant:** each kind of work waits in a bounded queue of its own; kinds take turns. Scrubbing has one
//! thread and runs when nothing else waits, or has been waiting for [`SCRUB_PATIENCE`].
//!
//! **Invariant:** a kind that waits and has not begun or ended anything for [`STUCK`] takes nothing more, and whoever
//! waits for it is told to go elsewhere: a disk that hangs does not collect requests.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Threads of one disk.
const THREADS_MAX: usize = 8;
/// Threads that one kind of work may have, in the order of [`Work`].
const THREADS_PER_KIND_MAX: [usize; KINDS] = [THREADS_MAX - 2, THREADS_MAX - 2, 2, 1];
/// Work that waits while nothing of its kind begins or ends for this long waits for a disk that hangs. Six of the
/// largest blocks are written in this time by a disk that manages 200 MB/s; a slower one sheds load.
const STUCK: Duration = Duration::from_secs(3);
/// Scrubbing gets a turn this often at least.
const SCRUB_PATIENCE: Duration = Duration::from_secs(1);
/// A thread with nothing to do for this long ends.
const IDLE: Duration = Duration::from_secs(10);
/// Threads keep large buffers on the heap.
const STACK_BYTES: usize = 256 << 10;

/// Kinds of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Reading pages for somebody who waits.
    Read,
    /// Writing and erasing.
    Write,
    /// Listing, and our own upkeep.
    Background,
    /// Checking blocks, which nobody waits for.
    Scrub,
}

const KINDS: usize = 4;
const SCRUB: usize = Work::Scrub as usize;

/// Too much is waiting already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overloaded;

type Job = Box<dyn FnOnce() + Send>;

/// The threads of one disk.
pub(crate) struct Pool(Arc<Shared>);

struct Shared {
    name: String,
    queue_max: usize,
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    queues: [VecDeque<Job>; KINDS],
    /// When something of a kind last began, ended, or came to an empty queue.
    moved: [Instant; KINDS],
    running: [usize; KINDS],
    /// Whose turn it is.
    turn: usize,
    threads: usize,
    idle: usize,
    stopping: bool,
}

impl Pool {
    /// Threads will be called `name`; at most `queue_max` jobs of each kind wait.
    pub fn new(name: String, queue_max: usize) -> Self {
        Self(Arc::new(Shared {
            name,
            queue_max,
            state: Mutex::new(State {
                queues: Default::default(),
                moved: [Instant::now(); KINDS],
                running: [0; KINDS],
                turn: 0,
                threads: 0,
                idle: 0,
                stopping: false,
            }),
            wake: Condvar::new(),
        }))
    }

    /// Whether work of this kind waits for a disk that hangs.
    pub fn is_stuck(&self, work: Work) -> bool {
        self.0.lock().is_stuck(work as usize)
    }

    /// Runs a job soon, or says at once that too much is waiting or nothing moves.
    pub fn submit(
        &self,
        work: Work,
        job: impl FnOnce() + Send + 'static,
    ) -> Result<(), Overloaded> {
        let mut state = self.0.lock();
        let kind = work as usize;
        if state.queues[kind].len() >= self.0.queue_max || state.is_stuck(kind) {
            return Err(Overloaded);
        }
        if state.queues[kind].is_empty() {
            state.moved[kind] = Instant::now();
        }
        state.queues[kind].push_back(Box::new(job));
        let waiting: usize = state.queues.iter().map(VecDeque::len).sum();
        if waiting <= state.idle || state.threads == THREADS_MAX {
            self.0.wake.notify_one();
        } else {
            state.threads += 1;
            drop(state);
            self.0.start_thread();
        }
        Ok(())
    }
}

impl Drop for Pool {
    /// Jobs that run come to their end; those that wait are dropped.
    fn drop(&mut self) {
        self.0.lock().stopping = true;
        self.0.wake.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_thread(self: &Arc<Self>) {
        let shared = self.clone();
        let thread = std::thread::Builder::new()
            .name(self.name.clone())
            .stack_size(STACK_BYTES);
        if let Err(error) = thread.spawn(move || shared.work()) {
            // The job waits for another thread, or its asker for its deadline.
            self.lock().threads -= 1;
            tracing::warn!(disk = self.name, %error, "cannot start a thread");
        }
    }

    /// The life of a thread.
    fn work(&self) {
        let mut state = self.lock();
        while let Some((kind, job)) = state.next() {
            drop(state);
            // The panic was logged; whoever waits for the job finds its channel closed.
            let _ = catch_unwind(AssertUnwindSafe(job));
            state = self.lock();
            state.running[kind] -= 1;
            state.moved[kind] = Instant::now();
            state = self.wait_for_job(state);
        }
        state.threads -= 1;
    }

    /// Returns when there may be a job, or none came for a while.
    fn wait_for_job<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        if state.may_run() || state.stopping {
            return state;
        }
        state.idle += 1;
        let (mut state, _) = self
            .wake
            .wait_timeout_while(state, IDLE, |state| !state.may_run() && !state.stopping)
            .unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
        state
    }
}

impl State {
    fn allowed(&self, kind: usize) -> bool {
        !self.queues[kind].is_empty() && self.running[kind] < THREADS_PER_KIND_MAX[kind]
    }

    fn is_stuck(&self, kind: usize) -> bool {
        !self.queues[kind].is_empty() && self.moved[kind].elapsed() >= STUCK
    }

    fn may_run(&self) -> bool {
        (0..KINDS).any(|kind| self.allowed(kind))
    }

    /// Takes the next job, kinds in turn.
    fn next(&mut self) -> Option<(usize, Job)> {
        if self.stopping {
            return None;
        }
        let kind = self.whose_turn()?;
        let job = self.queues[kind].pop_front()?;
        self.turn = kind;
        self.running[kind] += 1;
        self.moved[kind] = Instant::now();
        Some((kind, job))
    }

    /// The kind to run next: in turn, scrubbing last unless it has waited long.
    fn whose_turn(&self) -> Option<usize> {
        let scrub = self.allowed(SCRUB);
        if scrub && self.moved[SCRUB].elapsed() >= SCRUB_PATIENCE {
            return Some(SCRUB);
        }
        let mut kinds = (1..=KINDS).map(|step| (self.turn + step) % KINDS);
        let urgent = kinds.find(|kind| *kind != SCRUB && self.allowed(*kind));
        urgent.or(scrub.then_some(SCRUB))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn stuck_writes_do_not_hold_up_reads_and_are_bounded() {
        let pool = Pool::new("test".to_owned(), 4);
        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let (done, finished) = mpsc::channel();
        let stuck = |done: mpsc::Sender<&'static str>| {
            let gate = gate.clone();
            move || {
                gate.lock().unwrap().recv().unwrap();
                done.send("write").unwrap();
            }
        };
        let mut accepted = 0;
        // Jobs leave the queue as threads take them: until all that may be are busy and it is full.
        while accepted < THREADS_PER_KIND_MAX[Work::Write as usize] + 4 {
            match pool.submit(Work::Write, stuck(done.clone())) {
                Ok(()) => accepted += 1,
                Err(Overloaded) => std::thread::yield_now(),
            }
        }
        assert_eq!(
            pool.submit(Work::Write, stuck(done.clone())),
            Err(Overloaded)
        );
        let read = done.clone();
        pool.submit(Work::Read, move || read.send("read").unwrap())
            .unwrap();
        assert_eq!(finished.recv_timeout(LONG), Ok("read"));
        (0..accepted).for_each(|_| release.send(()).unwrap());
        for _ in 0..accepted {
            assert_eq!(finished.recv_timeout(LONG), Ok("write"));
        }
    }

    #[test]
    fn scrubbing_waits_for_all_else_but_not_for_ever() {
        let state = |kinds: &[Work], waited: Duration| {
            let pool = Pool::new("test".to_owned(), 4);
            let mut state = pool.0.lock();
            for kind in kinds {
                state.queues[*kind as usize].push_back(Box::new(|| ()));
            }
            state.moved[SCRUB] = Instant::now().checked_sub(waited).unwrap();
            state.turn = Work::Background as usize; // so that its turn would be next
            let order = std::iter::from_fn(|| state.next().map(|(kind, _)| kind));
            order.collect::<Vec<_>>()
        };
        let (read, write) = (Work::Read as usize, Work::Write as usize);
        let all = [Work::Scrub, Work::Scrub, Work::Write, Work::Read];
        // One at a time: nobody ends here.
        assert_eq!(state(&all, Duration::ZERO), [read, write, SCRUB]);
        assert_eq!(state(&all, SCRUB_PATIENCE), [SCRUB, read, write]);
        assert_eq!(state(&[Work::Scrub], Duration::ZERO), [SCRUB]);
    }

    #[test]
    fn a_kind_that_does_not_move_takes_nothing_and_the_others_go_on() {
        let pool = Pool::new("test".to_owned(), 16);
        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        for _ in 0..=THREADS_PER_KIND_MAX[Work::Read as usize] {
            let gate = gate.clone();
            pool.submit(Work::Read, move || {
                let _ = gate.lock().unwrap().recv();
            })
            .unwrap();
        }
        let started = Instant::now();
        while !pool.is_stuck(Work::Read) {
            assert!(started.elapsed() < LONG, "nobody notices");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(pool.submit(Work::Read, || ()), Err(Overloaded));
        let (done, finished) = mpsc::channel();
        pool.submit(Work::Write, move || done.send(()).unwrap())
            .unwrap();
        finished.recv_timeout(LONG).unwrap();
        drop(release);
        while pool.is_stuck(Work::Read) {
            assert!(started.elapsed() < LONG, "it stays stuck");
            std::thread::sleep(Duration::from_millis(20));
        }
        pool.submit(Work::Read, || ()).unwrap();
    }

    #[test]
    fn a_panic_costs_one_job() {
        let pool = Pool::new("test".to_owned(), 4);
        let (done, finished) = mpsc::channel();
        pool.submit(Work::Read, || panic!("on purpose")).unwrap();
        pool.submit(Work::Read, move || done.send(()).unwrap())
            .unwrap();
        assert_eq!(finished.recv_timeout(LONG), Ok(()));
    }

    #[test]
    fn dropping_the_pool_ends_its_threads() {
        let pool = Pool::new("test".to_owned(), 4);
        let (done, finished) = mpsc::channel();
        pool.submit(Work::Read, move || done.send(()).unwrap())
            .unwrap();
        finished.recv_timeout(LONG).unwrap();
        let shared = Arc::downgrade(&pool.0);
        drop(pool);
        let started = std::time::Instant::now();
        while shared.upgrade().is_some() {
            assert!(started.elapsed() < LONG, "a thread holds on");
            std::thread::yield_now();
        }
    }
}
