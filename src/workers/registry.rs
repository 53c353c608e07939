//! The worker processes that run, as the spawner reports them: a thread reads its events, and whoever starts or loses a
//! worker waits for them.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::control::{End, Event, Request, WorkerId};
use crate::metrics::{GaugeGuard, Metrics};

/// Time for the spawner to answer: a fork takes a third of a millisecond, a machine in trouble seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// The workers that run, and the socket to the spawner, which starts and kills them.
pub(super) struct Registry {
    spawner: OwnedFd,
    workers: Mutex<HashMap<WorkerId, State>>,
    changed: Condvar,
    spawner_lives: watch::Sender<bool>,
    metrics: Arc<Metrics>,
}

/// What is known of a worker.
enum State {
    Requested,
    /// Its stream waits to be taken.
    Started(UnixStream, GaugeGuard),
    Running(#[expect(dead_code, reason = "counts the worker until it is dropped")] GaugeGuard),
    Ended(End),
    NotStarted(String),
}

impl Registry {
    /// Reads the events of `spawner` on a thread of its own until it is gone.
    ///
    /// # Errors
    /// When the system refuses the thread.
    pub(super) fn open(spawner: OwnedFd, metrics: Arc<Metrics>) -> io::Result<Arc<Registry>> {
        let registry = Arc::new(Registry {
            spawner,
            workers: Mutex::default(),
            changed: Condvar::new(),
            spawner_lives: watch::Sender::new(true),
            metrics,
        });
        let reader = Arc::clone(&registry);
        thread::Builder::new().name("bytefit-workers".to_owned()).spawn(move || reader.follow())?;
        Ok(registry)
    }

    /// Starts a worker and waits for its stream.
    ///
    /// # Errors
    /// When the system refuses another process, or the spawner is gone.
    pub(super) fn start(&self, id: WorkerId) -> io::Result<UnixStream> {
        self.lock().insert(id, State::Requested);
        Request::Start(id).send(&self.spawner)?;
        let mut workers = self.wait(id, |state| !matches!(state, State::Requested));
        match workers.remove(&id) {
            Some(State::Started(stream, running)) => {
                workers.insert(id, State::Running(running));
                Ok(stream)
            }
            Some(State::NotStarted(reason)) => Err(io::Error::other(reason)),
            _ => Err(io::Error::other("the spawner did not answer")),
        }
    }

    /// Whether the worker runs, as far as the spawner has reported.
    pub(super) fn runs(&self, id: WorkerId) -> bool {
        matches!(self.lock().get(&id), Some(State::Running(_)))
    }

    /// Kills a worker and waits until it has ended.
    pub(super) fn kill(&self, id: WorkerId) -> Option<End> {
        // Where the spawner is gone its workers are too.
        let _ = Request::Kill(id).send(&self.spawner);
        self.end_of(id)
    }

    /// Waits for the end of a worker. Returns `None` when nothing was heard of it.
    pub(super) fn end_of(&self, id: WorkerId) -> Option<End> {
        let mut workers = self.wait(id, |state| matches!(state, State::Ended(_)));
        match workers.remove(&id) {
            Some(State::Ended(end)) => Some(end),
            _ => None,
        }
    }

    /// Whether workers can still be started.
    pub(super) fn spawner_lives(&self) -> bool {
        *self.spawner_lives.borrow()
    }

    /// Resolves when the spawner is gone.
    pub(super) async fn spawner_gone(&self) {
        // An error would mean that the registry itself is gone.
        let _ = self.spawner_lives.subscribe().wait_for(|lives| !lives).await;
    }

    fn wait(&self, id: WorkerId, is_settled: impl Fn(&State) -> bool) -> MutexGuard<'_, HashMap<WorkerId, State>> {
        let deadline = Instant::now() + PATIENCE;
        let mut workers = self.lock();
        while self.spawner_lives() && !workers.get(&id).is_none_or(&is_settled) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            workers = self.changed.wait_timeout(workers, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        workers
    }

    fn follow(&self) {
        // An error of the socket and its end mean the same: nothing more will be heard.
        while let Ok(Some((event, stream))) = Event::receive(self.spawner.as_fd()) {
            self.note(event, stream);
        }
        self.lock().clear();
        self.spawner_lives.send_replace(false);
        self.changed.notify_all();
    }

    fn note(&self, event: Event, stream: Option<OwnedFd>) {
        let (id, state) = match (event, stream) {
            (Event::Started(id), Some(stream)) => (id, State::Started(stream.into(), self.metrics.worker_started())),
            (Event::Started(id), None) => (id, State::NotStarted("its stream did not come".to_owned())),
            (Event::NotStarted(id, reason), _) => (id, State::NotStarted(reason)),
            (Event::Ended(id, end), _) => (id, State::Ended(end)),
        };
        // Of a worker that was forgotten nobody wants to hear. Its stream closes here, and it ends.
        if let Some(known) = self.lock().get_mut(&id) {
            *known = state;
        }
        self.changed.notify_all();
    }

    /// Forgets a worker, whose end nobody will ask about.
    pub(super) fn forget(&self, id: WorkerId) {
        self.lock().remove(&id);
    }

    /// The table is whole even if the lock is poisoned: nothing under it can panic halfway through a change.
    fn lock(&self) -> MutexGuard<'_, HashMap<WorkerId, State>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
