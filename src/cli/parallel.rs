//! Runs the work on many files on several threads, within a bound of memory.

use std::io;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ScopedJoinHandle};

/// As the stacks of the engine's pool.
const STACK_BYTES: usize = 8 << 20;

/// Calls `work` with each number below `count`, at most `jobs` at once and in their order, and returns what it
/// returned.
///
/// # Errors
/// The system refuses the threads.
pub(super) fn run<R: Send>(jobs: usize, count: usize, work: impl Fn(usize) -> R + Sync) -> io::Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|index| *index < count);
    let work_on = || {
        let mut results = Vec::new();
        while let Some(index) = take() {
            results.push((index, work(index)));
        }
        results
    };
    let mut results = thread::scope(|scope| {
        let start = |_| thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work_on);
        let threads = (0..jobs.min(count)).map(start).collect::<io::Result<Vec<_>>>()?;
        Ok::<_, io::Error>(threads.into_iter().flat_map(joined).collect::<Vec<(usize, R)>>())
    })?;
    results.sort_unstable_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// The memory that jobs may use together.
pub(super) struct Memory {
    limit: u64,
    left: Mutex<u64>,
    freed: Condvar,
}

impl Memory {
    /// `limit` bytes.
    pub(super) fn new(limit: u64) -> Memory {
        Memory { limit, left: Mutex::new(limit), freed: Condvar::new() }
    }

    /// Waits until `bytes` are free and takes them. A job that needs more than there is runs alone.
    pub(super) fn take(&self, bytes: u64) -> Taken<'_> {
        let bytes = bytes.min(self.limit);
        let is_short = |left: &mut u64| *left < bytes;
        let mut left = self.freed.wait_while(self.left(), is_short).unwrap_or_else(PoisonError::into_inner);
        *left -= bytes;
        Taken { memory: self, bytes }
    }

    /// A number is whole whatever happens to those who hold the lock.
    fn left(&self) -> MutexGuard<'_, u64> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Memory of a job, free again when it is dropped.
pub(super) struct Taken<'a> {
    memory: &'a Memory,
    bytes: u64,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *self.memory.left() += self.bytes;
        self.memory.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn every_number_is_worked_on_once_by_as_many_threads_as_said() {
        let meeting = Barrier::new(3);
        let results = run(3, 9, |number| {
            meeting.wait();
            number * 2
        });
        assert_eq!(results.unwrap(), [0, 2, 4, 6, 8, 10, 12, 14, 16]);
        assert_eq!(run(4, 0, |number| number).unwrap(), [0; 0]);
    }

    #[test]
    fn jobs_together_never_hold_more_than_the_memory() {
        let memory = Memory::new(100);
        let (held, most) = (AtomicU64::new(0), AtomicU64::new(0));
        run(8, 400, |number| {
            let bytes = [10, 40, 70, 250][number % 4];
            let taken = memory.take(bytes);
            let now = held.fetch_add(taken.bytes, Ordering::SeqCst) + taken.bytes;
            most.fetch_max(now, Ordering::SeqCst);
            thread::yield_now();
            held.fetch_sub(taken.bytes, Ordering::SeqCst);
        })
        .unwrap();
        assert_eq!((most.into_inner(), *memory.left()), (100, 100));
    }
}
