//! Runs processor work on threads of its own, behind an async function.

use std::io;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::metrics::Metrics;
use crate::panics::{Panicked, caught};

/// AV1 encoders and decoders keep block trees on the stack, which come close to the default of 2 MiB.
const STACK_BYTES: usize = 8 << 20;

/// A pool of threads.
pub(super) struct Pool {
    threads: rayon::ThreadPool,
}

impl Pool {
    /// Starts `threads` threads, at least one, which have `name` in their names.
    ///
    /// # Errors
    /// The system refuses the threads.
    pub(super) fn new(name: &'static str, threads: usize, metrics: Arc<Metrics>) -> io::Result<Pool> {
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.max(1))
            .thread_name(move |index| format!("bytefit-{name}-{index}"))
            .stack_size(STACK_BYTES)
            // Reached only by a panic while another is being caught. Without a handler it would abort the process.
            .panic_handler(move |_| metrics.panicked())
            .build()
            .map_err(io::Error::other)?;
        Ok(Pool { threads })
    }

    /// Threads in the pool.
    pub(super) fn threads(&self) -> usize {
        self.threads.current_num_threads()
    }

    /// Runs `work` on the pool.
    ///
    /// # Errors
    /// [`Panicked`] when the work panics; the pool goes on.
    ///
    /// # Cancel
    /// If the future is dropped before the work starts, the work never starts. Once started it runs to its end.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        let (reply, answer) = oneshot::channel();
        self.threads.spawn(move || {
            if reply.is_closed() {
                return;
            }
            // Sending fails when the receiver was dropped meanwhile, which is fine.
            let _ = reply.send(caught(work));
        });
        answer.await.unwrap_or_else(|_| Err(Panicked("the pool dropped the work".to_owned())))
    }
}

/// Runs `work` on one of tokio's blocking threads, not on the pool: for files and for short work that must not wait
/// behind whole jobs. Under load there may be more of those threads than work: a thread that is done is not always
/// found idle.
///
/// # Errors
/// [`Panicked`] when the work panics.
///
/// # Cancel
/// Work that has started runs to its end.
pub(crate) async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Panicked> {
    let done = tokio::task::spawn_blocking(move || caught(work)).await;
    done.unwrap_or_else(|_| Err(Panicked("the runtime dropped the work".to_owned())))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    fn pool(threads: usize) -> Pool {
        Pool::new("test", threads, Arc::new(Metrics::new())).unwrap()
    }

    #[tokio::test]
    async fn work_runs_on_a_named_thread_of_the_pool() {
        let name = pool(1).run(|| thread::current().name().map(str::to_owned)).await;
        assert_eq!(name, Ok(Some("bytefit-test-0".to_owned())));
    }

    #[tokio::test]
    async fn a_hundred_panics_leave_the_pool_whole() {
        let pool = pool(2);
        for round in 0..100 {
            let result: Result<(), Panicked> = pool.run(move || panic!("round {round}")).await;
            assert_eq!(result, Err(Panicked(format!("round {round}"))));
        }
        let (meet, met) = mpsc::sync_channel(0);
        // Both threads are alive: each waits for the other.
        let ((), ()) =
            tokio::try_join!(pool.run(move || meet.send(()).unwrap()), pool.run(move || met.recv().unwrap())).unwrap();
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_never_starts() {
        let pool = pool(1);
        let (release, released) = mpsc::channel::<()>();
        let blocked = pool.run(move || released.recv().unwrap());
        tokio::pin!(blocked);
        assert!(futures_util::poll!(&mut blocked).is_pending());

        let (started, was_started) = mpsc::channel();
        let mut abandoned = Box::pin(pool.run(move || started.send(()).unwrap()));
        assert!(futures_util::poll!(&mut abandoned).is_pending());
        drop(abandoned);

        release.send(()).unwrap();
        blocked.await.unwrap();
        pool.run(|| ()).await.unwrap();
        assert_eq!(was_started.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }
}
