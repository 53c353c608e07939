//! One job's conversation with its worker, given up when the job is over its time or nobody waits for it.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::job::Stop;

/// How often a waiting server looks whether anyone still waits for the job.
const INTERVAL: Duration = Duration::from_millis(5);

/// Why a conversation ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// Nobody waits any more.
    Cancelled,
    /// The worker is over its time.
    Late,
}

/// A worker's stream while it does a job. Reads and writes return early, with an error, when the job is to be given up.
pub struct Exchange<'a> {
    stream: &'a UnixStream,
    stop: &'a Stop,
    give_up_at: Instant,
}

impl<'a> Exchange<'a> {
    /// `stream` must be non-blocking.
    pub fn new(stream: &'a UnixStream, stop: &'a Stop, give_up_at: Instant) -> Exchange<'a> {
        Exchange { stream, stop, give_up_at }
    }

    /// Why the job is to be given up. Returns `None` while it is not.
    pub fn interruption(&self) -> Option<Interruption> {
        if self.stop.is_cancelled() {
            return Some(Interruption::Cancelled);
        }
        (Instant::now() >= self.give_up_at).then_some(Interruption::Late)
    }

    /// Calls `call` as soon as the stream is ready for it.
    fn when_ready<T>(&self, flags: PollFlags, mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        loop {
            match call() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(flags)?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn wait(&self, flags: PollFlags) -> io::Result<()> {
        if self.interruption().is_some() {
            return Err(ErrorKind::TimedOut.into());
        }
        let interval = Timespec { tv_sec: 0, tv_nsec: INTERVAL.subsec_nanos().into() };
        match poll(&mut [PollFd::new(self.stream, flags)], Some(&interval)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Read for &Exchange<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.when_ready(PollFlags::IN, || (&mut &*self.stream).read(buffer))
    }
}

impl Write for &Exchange<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.when_ready(PollFlags::OUT, || (&mut &*self.stream).write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
