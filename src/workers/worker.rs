//! A worker: a sealed process of one thread that does one job after the other, asked over one stream.

use std::cell::Cell;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::panic;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use rustix::thread::set_name;

use super::process;
use super::wire::{self, Ask, Begun, Greeting, Reply, Task};
use crate::engine::{Bounds, SetJob, Work, WorkError, guarded, keep_free_memory, release_free_memory};
use crate::job::{Answer, Job, Stop};
use crate::panics;
use crate::sandbox;

/// What a worker has besides its memory.
pub(super) struct Inheritance {
    /// Its stream to the server.
    pub stream: UnixStream,
    /// The pipe that its standard error becomes.
    pub standard_error: OwnedFd,
}

thread_local! {
    /// The last panic of this thread, with its place in the source.
    static LAST_PANIC: Cell<Option<String>> = const { Cell::new(None) };
}

/// Serves jobs until the server closes the stream; never returns.
pub(super) fn run(inheritance: Inheritance, spawner: Pid, work: &dyn Work) -> ! {
    let Inheritance { stream, standard_error } = inheritance;
    let ready = prepare(spawner, standard_error);
    let greeting = match &ready {
        Ok(()) => Greeting::Ready,
        Err(error) => Greeting::Unsealed(error.to_string()),
    };
    let greeted = wire::send(&stream, &greeting, &[]);
    let served = ready.and(greeted).and_then(|()| serve(&stream, work));
    if let Err(error) = &served {
        // The spawner reads it and the server logs it.
        eprintln!("{error}");
    }
    process::exit_now(i32::from(served.is_err()))
}

/// Free memory is returned when the jobs since then were expected to use so many times the limit of the process. What
/// is kept counts towards that limit: after 15 to 30 jobs of best effort in three formats one on a picture of 700x500
/// was refused memory.
const RELEASED_AFTER: u64 = 2;

/// Gives up everything that a job does not need.
fn prepare(spawner: Pid, standard_error: OwnedFd) -> io::Result<()> {
    set_name(c"bytefit-worker")?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != Some(spawner) {
        return Err(io::Error::other("the spawner is gone"));
    }
    let nowhere = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nowhere)?;
    rustix::stdio::dup2_stdout(&nowhere)?;
    rustix::stdio::dup2_stderr(&standard_error)?;
    drop((nowhere, standard_error));
    keep_free_memory();
    // Libraries spread their work over this pool: a sealed process starts no thread, so its own one is all of it.
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread();
    alone.build_global().map_err(io::Error::other)?;
    sandbox::worker::seal().map_err(io::Error::other)
}

fn serve(stream: &UnixStream, work: &dyn Work) -> io::Result<()> {
    let (mut largest_job, mut limit, mut used) = (0, 0, 0);
    loop {
        process::wait_or_idle(&mut [PollFd::new(stream, PollFlags::IN)])?;
        let asked = wire::receive_prepared(stream, u64::MAX, |ask: &Ask| {
            // Memory of earlier jobs may not be returned yet.
            largest_job = ask.memory_bytes.max(largest_job);
            limit = sandbox::worker::limit_memory(largest_job)?;
            Ok(())
        });
        let Some((ask, input)) = asked? else { return Ok(()) };
        wire::send(stream, &Begun, &[])?;
        answer(stream, work, &ask, &input)?;
        used = ask.memory_bytes.saturating_add(used);
        if used > limit.saturating_mul(RELEASED_AFTER) {
            release_free_memory();
            used = 0;
        }
    }
}

/// Does the jobs of `ask` and sends the result of each as soon as it is there.
fn answer(stream: &UnixStream, work: &dyn Work, ask: &Ask, input: &[u8]) -> io::Result<()> {
    let stop = Stop::at(Instant::now() + ask.remaining);
    let Ask { jobs, task, limits, memory_bytes, .. } = ask;
    let bounds = Bounds { limits, stop: &stop, memory_bytes: *memory_bytes, total: None };
    match (task, jobs.first()) {
        (Task::Answer { total }, _) => answer_each(stream, work, jobs, input, &Bounds { total: *total, ..bounds }),
        (_, None) => Ok(()),
        (Task::AnswerWithin(share), Some(job)) => send(stream, guarded(|| work.run_share(job, *share, input, &bounds))),
        (Task::Predict, Some(job)) => match guarded(|| work.size_curve(job, input, &bounds)) {
            Ok(curve) => wire::send(stream, &Reply::Predicted(curve), &[]),
            Err(error) => send(stream, Err(error)),
        },
    }
}

/// Answers `jobs` one after the other.
fn answer_each(
    stream: &UnixStream,
    work: &dyn Work,
    jobs: &[Job],
    input: &[u8],
    bounds: &Bounds<'_>,
) -> io::Result<()> {
    let stop = bounds.stop;
    let jobs: Vec<SetJob> = jobs.iter().map(|job| SetJob { job, stop }).collect();
    let mut sent = Ok(());
    work.run_set(&jobs, input, bounds, &mut |result| {
        if sent.is_ok() {
            sent = send(stream, result);
            // Nobody is there any more: the other jobs are not wanted.
            if sent.is_err() {
                stop.cancel();
            }
        }
    });
    sent
}

fn send(stream: &UnixStream, result: Result<Answer, WorkError>) -> io::Result<()> {
    match result {
        Ok(answer) => wire::send(stream, &Reply::Done(answer.report), &answer.bytes),
        Err(WorkError::Job(error)) => wire::send(stream, &Reply::Failed(error), &[]),
        Err(WorkError::Panicked(message)) => {
            wire::send(stream, &Reply::Panicked(LAST_PANIC.take().unwrap_or(message)), &[])
        }
        Err(error) => wire::send(stream, &Reply::Panicked(error.to_string()), &[]),
    }
}

/// Keeps the message of a panic for the answer, in place of printing it with a backtrace, for which files are opened.
pub(super) fn keep_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(|place| format!(" at {place}")).unwrap_or_default();
        LAST_PANIC.set(Some(format!("{}{place}", panics::message(info.payload()))));
    }));
}
