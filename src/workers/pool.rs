//! The pool of workers, which does the engine's work in their processes.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::control::{End, EndStatus, WorkerId};
use super::exchange::{Exchange, Interruption};
use super::registry::Registry;
use super::spawner::{Spawner, greeted};
use super::wire::{self, Ask, Begun, Reply, Task};
use crate::engine::{Bounds, Death, Header, SetJob, Work, WorkError};
use crate::job::{Answer, Job, JobError, OnMiss, Share, SizeCurve, Stop};
use crate::metrics::{Metrics, WorkerDeath};

/// Jobs after which a worker is replaced: what a codec leaks or leaves behind must not add up.
const MAX_JOBS: u32 = 64;

/// A worker that did a job expected to need at least this much memory is replaced, which returns the memory at once.
const LARGE_JOB: u64 = 256 << 20;

/// From a job's deadline to the moment that its worker is killed: time to send the best answer so far.
const GRACE: Duration = Duration::from_millis(100);

/// Workers that may die while they are idle, one after the other, before a job is refused: with each the job was not
/// begun.
const ATTEMPTS: u32 = 3;

/// A pool of worker processes that does the engine's work.
pub struct Workers {
    registry: Arc<Registry>,
    work: Arc<dyn Work>,
    idle: Mutex<Vec<Worker>>,
    next_id: AtomicU32,
    metrics: Arc<Metrics>,
}

/// A worker process that waits for a job or does one.
struct Worker {
    id: WorkerId,
    stream: UnixStream,
    jobs: u32,
}

impl Workers {
    /// A pool over `spawner`, without workers yet.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn new(spawner: Spawner, metrics: Arc<Metrics>) -> io::Result<Workers> {
        let registry = Registry::open(spawner.socket, Arc::clone(&metrics))?;
        let (idle, next_id) = (Mutex::default(), AtomicU32::new(0));
        Ok(Workers { registry, work: spawner.work, idle, next_id, metrics })
    }

    /// Resolves when the spawner is gone: no worker can be started any more.
    pub async fn spawner_gone(&self) {
        self.registry.spawner_gone().await;
    }

    /// An idle worker, or a new one.
    fn take(&self) -> io::Result<Worker> {
        while let Some(worker) = self.idle().pop() {
            if self.registry.runs(worker.id) {
                return Ok(worker);
            }
            self.registry.forget(worker.id);
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let stream = self.registry.start(id)?;
        let worker = Worker { id, stream, jobs: 0 };
        greeted(&worker.stream).inspect_err(|_| drop(self.registry.kill(id)))?;
        worker.stream.set_nonblocking(true)?;
        Ok(worker)
    }

    /// Keeps `worker` for the next job, unless it has done enough.
    fn give_back(&self, mut worker: Worker, memory_bytes: u64) {
        worker.jobs += 1;
        if worker.jobs < MAX_JOBS && memory_bytes < LARGE_JOB {
            self.idle().push(worker);
            return;
        }
        // It ends when its stream is dropped here.
        self.registry.forget(worker.id);
        self.metrics.worker_recycled();
    }

    /// Sends `jobs` and `input` to a worker, which begins. Where one dies before it begins, another is asked.
    fn begin(&self, task: Task, jobs: &[SetJob<'_>], input: &[u8], bounds: &Bounds<'_>) -> Result<Worker, WorkError> {
        let first = jobs.first().expect("a set has jobs");
        let mut ask = Ask {
            jobs: jobs.iter().map(|job| job.job.clone()).collect(),
            task,
            limits: *bounds.limits,
            remaining: Duration::ZERO,
            memory_bytes: bounds.memory_bytes,
        };
        let stop = first.begin();
        let mut reason = String::new();
        for _ in 0..ATTEMPTS {
            let worker = self.take().map_err(|error| WorkError::NoWorker(error.to_string()))?;
            // A new worker may have taken a part of the time.
            ask.remaining = bounds.stop.deadline().saturating_duration_since(Instant::now());
            let exchange = exchange(&worker, &stop);
            let begun = wire::send(&exchange, &ask, input).and_then(|()| wire::receive::<Begun>(&exchange, 0));
            reason = match begun {
                Ok(Some(_)) => return Ok(worker),
                Ok(None) => "it died before it began".to_owned(),
                Err(error) => error.to_string(),
            };
            if let Some(interruption) = exchange.interruption() {
                return Err(self.stop(&worker, interruption, first.job));
            }
            self.registry.kill(worker.id);
        }
        Err(WorkError::NoWorker(reason))
    }

    /// Has one worker do `jobs` for as long as it lives, and returns how many have a result. Jobs with a total all have
    /// one: their shares follow from the answers before them, which another worker would not have.
    fn run_in_one_worker(
        &self,
        jobs: &[SetJob<'_>],
        input: &[u8],
        bounds: &Bounds<'_>,
        done: &mut dyn FnMut(Result<Answer, WorkError>),
    ) -> usize {
        let ended = |at: usize, error: WorkError, done: &mut dyn FnMut(Result<Answer, WorkError>)| {
            // The file ended the worker, or its first job did: another would most likely end the same way.
            let ends_all = matches!(error, WorkError::NoWorker(_)) || at == 0 && matches!(error, WorkError::Died(_));
            let end = if ends_all || bounds.total.is_some() { jobs.len() } else { at + 1 };
            jobs[at..end].iter().for_each(|_| done(Err(error.clone())));
            end
        };
        let worker = match self.begin(Task::Answer { total: bounds.total }, jobs, input, bounds) {
            Ok(worker) => worker,
            Err(error) => return ended(0, error, done),
        };
        for (at, job) in jobs.iter().enumerate() {
            match self.receive(&worker, job, bounds) {
                Ok((reply, bytes)) => done(result(reply, bytes, job.job)),
                Err(error) => return ended(at, error, done),
            }
        }
        self.give_back(worker, bounds.memory_bytes);
        jobs.len()
    }

    /// Has a worker do `task` with a single job.
    fn ask(&self, task: Task, job: &Job, input: &[u8], bounds: &Bounds<'_>) -> Result<(Reply, Vec<u8>), WorkError> {
        job.check(bounds.stop)?;
        let job = SetJob { job, stop: bounds.stop };
        let worker = self.begin(task, &[job], input, bounds)?;
        let received = self.receive(&worker, &job, bounds)?;
        self.give_back(worker, bounds.memory_bytes);
        Ok(received)
    }

    /// The worker's reply to `job` and the file that came with it.
    fn receive(&self, worker: &Worker, job: &SetJob<'_>, bounds: &Bounds<'_>) -> Result<(Reply, Vec<u8>), WorkError> {
        let stop = job.begin();
        let exchange = exchange(worker, &stop);
        let job = job.job;
        let received = wire::receive::<Reply>(&exchange, bounds.memory_bytes.max(job.target));
        match (received, exchange.interruption()) {
            (Ok(Some(reply)), _) => Ok(reply),
            (_, Some(interruption)) => Err(self.stop(worker, interruption, job)),
            (Ok(None), None) => Err(self.lost(self.registry.end_of(worker.id))),
            (Err(error), None) => {
                // A stream that can't be read may come from a codec that was taken over.
                let end = self.registry.kill(worker.id);
                Err(match error.kind() {
                    io::ErrorKind::InvalidData => {
                        WorkError::Died(Death { cause: WorkerDeath::Other, detail: error.to_string() })
                    }
                    _ => self.lost(end),
                })
            }
        }
    }

    /// What became of a worker that ended in the middle of a job: where the spawner is gone, its workers are too.
    fn lost(&self, end: Option<End>) -> WorkError {
        match end {
            None if !self.registry.spawner_lives() => {
                WorkError::NoWorker("the process that starts workers is gone".to_owned())
            }
            end => WorkError::Died(death(end)),
        }
    }

    /// Kills a worker whose answer is not wanted any more.
    fn stop(&self, worker: &Worker, interruption: Interruption, job: &Job) -> WorkError {
        self.registry.kill(worker.id);
        self.metrics.worker_stopped();
        WorkError::Job(match interruption {
            Interruption::Cancelled => JobError::Cancelled,
            Interruption::Late => JobError::DeadlineExceeded { deadline: job.deadline },
        })
    }

    /// The list is whole even if the lock is poisoned: nothing under it can panic halfway through a change.
    fn idle(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work for Workers {
    /// The worker holds the input a second time.
    fn memory_needed(&self, job: &Job, header: &Header<'_>, available: u64) -> Result<u64, JobError> {
        let copy = header.input.len() as u64;
        Ok(self.work.memory_needed(job, header, available.saturating_sub(copy))? + copy)
    }

    fn run(&self, job: &Job, input: &[u8], bounds: &Bounds<'_>) -> Result<Answer, WorkError> {
        let mut only = None;
        self.run_set(&[SetJob { job, stop: bounds.stop }], input, bounds, &mut |result| only = Some(result));
        only.unwrap_or_else(|| Err(WorkError::NoWorker("a job has no result".to_owned())))
    }

    fn run_share(&self, job: &Job, share: Share, input: &[u8], bounds: &Bounds<'_>) -> Result<Answer, WorkError> {
        let (reply, bytes) = self.ask(Task::AnswerWithin(share), job, input, bounds)?;
        result(reply, bytes, &Job { target: share.bytes.clamp(1, job.target), ..job.clone() })
    }

    fn size_curve(&self, job: &Job, input: &[u8], bounds: &Bounds<'_>) -> Result<SizeCurve, WorkError> {
        let (reply, bytes) = self.ask(Task::Predict, job, input, bounds)?;
        match reply {
            Reply::Predicted(curve) => Ok(curve),
            reply => Err(result(reply, bytes, job).err().unwrap_or_else(unasked)),
        }
    }

    /// A worker that died or was stopped after its first result is replaced for the jobs that are left.
    fn run_set(
        &self,
        jobs: &[SetJob<'_>],
        input: &[u8],
        bounds: &Bounds<'_>,
        done: &mut dyn FnMut(Result<Answer, WorkError>),
    ) {
        let mut left = jobs;
        while let Some(next) = left.first() {
            let answered = match next.job.check(next.stop) {
                Ok(()) => self.run_in_one_worker(left, input, bounds, done),
                Err(error) => {
                    done(Err(error.into()));
                    1
                }
            };
            left = &left[answered..];
        }
    }

    fn in_processes(&self) -> bool {
        true
    }
}

fn exchange<'a>(worker: &'a Worker, stop: &'a Stop) -> Exchange<'a> {
    Exchange::new(&worker.stream, stop, stop.deadline() + GRACE)
}

/// What a worker replied to `job`.
fn result(reply: Reply, bytes: Vec<u8>, job: &Job) -> Result<Answer, WorkError> {
    match reply {
        Reply::Done(report) => checked(Answer { bytes, report }, job),
        Reply::Predicted(_) => Err(unasked()),
        Reply::Failed(error) => Err(error.into()),
        Reply::Panicked(message) => Err(WorkError::Panicked(message)),
    }
}

/// A reply to what was not asked may come from a codec that was taken over.
fn unasked() -> WorkError {
    let detail = "it answered what it was not asked".to_owned();
    WorkError::Died(Death { cause: WorkerDeath::Other, detail })
}

/// Checks the target again: a codec that was taken over may answer anything.
fn checked(answer: Answer, job: &Job) -> Result<Answer, WorkError> {
    let (bytes, target) = (answer.bytes.len() as u64, job.target);
    if answer.report.output.bytes != bytes || (job.on_miss == OnMiss::Error && !job.mode.is_met(target, bytes)) {
        return Err(JobError::OverTarget { bytes, target }.into());
    }
    Ok(answer)
}

/// What is known of the end of a worker, in words for the log.
fn death(end: Option<End>) -> Death {
    let Some(End { status, stderr_tail }) = end else {
        return Death { cause: WorkerDeath::Other, detail: "the spawner did not say how".to_owned() };
    };
    let status_text = match status {
        EndStatus::Exit(code) => format!("exit code {code}"),
        EndStatus::Signal(signal) => format!("signal {signal}"),
    };
    let detail = if stderr_tail.is_empty() { status_text } else { format!("{status_text}, {stderr_tail:?}") };
    Death { cause: cause(status, &stderr_tail), detail }
}

/// Rust's runtime aborts when its stack or memory is full, and says so.
fn cause(status: EndStatus, stderr_tail: &str) -> WorkerDeath {
    match status {
        EndStatus::Signal(libc::SIGABRT) if stderr_tail.contains("has overflowed its stack") => {
            WorkerDeath::StackOverflow
        }
        EndStatus::Signal(libc::SIGABRT) if stderr_tail.contains("memory allocation of") => WorkerDeath::Memory,
        EndStatus::Signal(libc::SIGABRT) => WorkerDeath::Abort,
        EndStatus::Signal(libc::SIGKILL) => WorkerDeath::Killed,
        EndStatus::Signal(libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGFPE | libc::SIGTRAP) => {
            WorkerDeath::Crash
        }
        EndStatus::Signal(_) | EndStatus::Exit(_) => WorkerDeath::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_is_counted_by_its_cause() {
        let overflow = "thread 'main' has overflowed its stack\nfatal runtime error: stack overflow, aborting";
        for (status, stderr_tail, expected) in [
            (EndStatus::Signal(libc::SIGABRT), overflow, WorkerDeath::StackOverflow),
            (EndStatus::Signal(libc::SIGABRT), "memory allocation of 4294967296 bytes failed", WorkerDeath::Memory),
            (EndStatus::Signal(libc::SIGABRT), "free(): invalid pointer", WorkerDeath::Abort),
            (EndStatus::Signal(libc::SIGSEGV), "", WorkerDeath::Crash),
            (EndStatus::Signal(libc::SIGKILL), "", WorkerDeath::Killed),
            (EndStatus::Exit(1), "", WorkerDeath::Other),
        ] {
            let end = End { status, stderr_tail: stderr_tail.to_owned() };
            assert_eq!(death(Some(end)).cause, expected, "{status:?} {stderr_tail}");
        }
        assert_eq!(death(None).cause, WorkerDeath::Other);
    }
}
