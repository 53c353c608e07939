//! Which goes first: jobs that a client waits for, or background jobs. While clients ask, background jobs leave as many
//! threads free as clients took lately, at least one of several. What clients ask for then never waits for more than
//! one of them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedMutexGuard};
use tokio::time::{sleep_until, timeout_at};

/// For how long, or twice as long, as many threads are left free as clients took at once.
const PEAK_WINDOW: Duration = Duration::from_secs(1);

/// For how long, or twice as long, one thread is left free after a client asked: people who try one picture after the
/// other ask several times a minute.
const QUIET_WINDOW: Duration = Duration::from_secs(30);

/// How long a background job waits at most until it takes its turn among the others: however busy the service is,
/// batches go on.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a background job looks whether it may run when nothing tells it to.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Counts both kinds of jobs.
#[derive(Debug)]
pub(super) struct Precedence {
    shared: Arc<Shared>,
    /// Held by the one background job that may run next.
    turn: Arc<tokio::sync::Mutex<()>>,
    patience: Duration,
}

#[derive(Debug)]
struct Shared {
    counts: Mutex<Counts>,
    changed: Notify,
}

#[derive(Debug)]
struct Counts {
    threads: usize,
    /// Jobs that a client waits for, running or not.
    interactive: usize,
    /// Background jobs that run or are about to.
    background: usize,
    /// The most interactive jobs at once lately.
    peak: RecentPeak,
    /// The same over a longer time.
    asked: RecentPeak,
}

/// The largest value of the current window and of the one before.
#[derive(Debug)]
struct RecentPeak {
    window: Duration,
    since: Instant,
    now: usize,
    before: usize,
}

/// A job that is counted until this is dropped.
#[derive(Debug)]
pub(super) struct CountedJob {
    shared: Arc<Shared>,
    is_background: bool,
}

/// The right of one background job to run next.
#[derive(Debug)]
pub(super) struct Turn {
    _guard: OwnedMutexGuard<()>,
}

impl Precedence {
    /// For a pool of `threads`.
    pub(super) fn new(threads: usize) -> Precedence {
        let counts = Counts {
            threads,
            interactive: 0,
            background: 0,
            peak: RecentPeak::new(PEAK_WINDOW),
            asked: RecentPeak::new(QUIET_WINDOW),
        };
        let shared = Arc::new(Shared { counts: Mutex::new(counts), changed: Notify::new() });
        Precedence { shared, turn: Arc::default(), patience: PATIENCE }
    }

    /// Counts a job that a client waits for.
    pub(super) fn interactive(&self) -> CountedJob {
        self.shared.counts(|counts| counts.begin_interactive(Instant::now()));
        CountedJob { shared: Arc::clone(&self.shared), is_background: false }
    }

    /// Waits until no other background job is before this one.
    pub(super) async fn turn(&self) -> Turn {
        Turn { _guard: Arc::clone(&self.turn).lock_owned().await }
    }

    /// Waits until a background job may run, or has waited long enough. The job is counted then.
    pub(super) async fn background(&self, _turn: &Turn) -> CountedJob {
        let patient_until = tokio::time::Instant::now() + self.patience;
        let may_run = async {
            while !self.shared.counts(|counts| counts.may_begin_background(Instant::now())) {
                let look = tokio::time::Instant::now() + LOOK_AGAIN;
                let _ = timeout_at(look, self.shared.changed.notified()).await;
            }
        };
        tokio::select! {
            () = may_run => {}
            () = sleep_until(patient_until) => {}
        }
        self.shared.counts(|counts| counts.background += 1);
        CountedJob { shared: Arc::clone(&self.shared), is_background: true }
    }
}

impl Shared {
    fn counts<T>(&self, with: impl FnOnce(&mut Counts) -> T) -> T {
        with(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for CountedJob {
    fn drop(&mut self) {
        let is_background = self.is_background;
        self.shared.counts(|counts| match is_background {
            true => counts.background -= 1,
            false => counts.interactive -= 1,
        });
        self.shared.changed.notify_one();
    }
}

impl Counts {
    fn begin_interactive(&mut self, now: Instant) {
        self.interactive += 1;
        self.peak.add(self.interactive, now);
        self.asked.add(self.interactive, now);
    }

    fn may_begin_background(&mut self, now: Instant) -> bool {
        let is_free = self.interactive + self.background < self.threads;
        is_free && self.background < self.threads.saturating_sub(self.left_free(now))
    }

    /// Threads that are left to clients. Of a single thread none is left when nobody asked within the last moments.
    fn left_free(&mut self, now: Instant) -> usize {
        let one = usize::from(self.threads > 1 && self.asked.largest(now) > 0);
        self.peak.largest(now).max(self.interactive).max(one)
    }
}

impl RecentPeak {
    fn new(window: Duration) -> RecentPeak {
        RecentPeak { window, since: Instant::now(), now: 0, before: 0 }
    }

    fn add(&mut self, value: usize, now: Instant) {
        self.roll(now);
        self.now = self.now.max(value);
    }

    fn largest(&mut self, now: Instant) -> usize {
        self.roll(now);
        self.now.max(self.before)
    }

    /// Begins a new window when the current one is over.
    fn roll(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed < self.window {
            return;
        }
        self.before = if elapsed < 2 * self.window { self.now } else { 0 };
        self.now = 0;
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    fn allowed(precedence: &Precedence, now: Instant) -> bool {
        precedence.shared.counts(|counts| counts.may_begin_background(now))
    }

    #[tokio::test]
    async fn an_idle_service_gives_every_thread_to_background_jobs() {
        let precedence = Precedence::new(2);
        let turn = precedence.turn().await;
        let _first = precedence.background(&turn).await;
        let _second = precedence.background(&turn).await;
        assert!(!allowed(&precedence, Instant::now()));
    }

    #[test]
    fn as_many_threads_are_left_free_as_clients_took_lately() {
        let precedence = Precedence::new(4);
        let three: Vec<CountedJob> = (0..3).map(|_| precedence.interactive()).collect();
        let now = Instant::now();
        assert!(allowed(&precedence, now), "one of four is left");
        precedence.shared.counts(|counts| counts.background = 1);
        drop(three);
        assert!(!allowed(&precedence, now), "they may come again");
        assert!(allowed(&precedence, now + 3 * PEAK_WINDOW));
        precedence.shared.counts(|counts| counts.background = 3);
        assert!(!allowed(&precedence, now + 3 * PEAK_WINDOW), "one stays free for a while");
        assert!(allowed(&precedence, now + 3 * QUIET_WINDOW));
    }

    #[test]
    fn a_single_thread_is_shared() {
        let precedence = Precedence::new(1);
        let job = precedence.interactive();
        let now = Instant::now();
        drop(job);
        assert!(!allowed(&precedence, now));
        assert!(allowed(&precedence, now + 3 * PEAK_WINDOW));
    }

    #[tokio::test]
    async fn one_background_job_at_a_time_waits_before_the_others() {
        let precedence = Precedence::new(1);
        let turn = precedence.turn().await;
        let mut other = Box::pin(precedence.turn());
        assert!(poll!(&mut other).is_pending());
        drop(turn);
        let _other = other.await;
    }

    #[tokio::test]
    async fn a_background_job_runs_in_the_end_however_busy_the_service_is() {
        let precedence = Precedence { patience: Duration::from_millis(20), ..Precedence::new(1) };
        let _busy = precedence.interactive();
        let turn = precedence.turn().await;
        let begun = Instant::now();
        let _job = precedence.background(&turn).await;
        assert!(begun.elapsed() >= precedence.patience);
    }
}
