//! The spawner: a process of one thread, forked before the server has any, that starts, kills and reaps workers. It has
//! no network, and reads nothing but the server's requests.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Signal, getpid, getppid, pidfd_open, pidfd_send_signal, set_dumpable_behavior,
    set_parent_process_death_signal,
};
use rustix::thread::set_name;

use super::control::{End, Event, MAX_STDERR_TAIL, Request, WorkerId};
use super::process::{self, Forked};
use super::wire::{self, Greeting};
use super::worker::{self, Inheritance};
use crate::engine::Work;

/// Bytes that are read of what a worker wrote to its standard error: what a pipe holds.
const MAX_PIPED: u64 = 64 << 10;

/// Time for a worker to seal itself: it takes milliseconds, on a machine in trouble seconds.
const GREETING_TIME: Duration = Duration::from_secs(5);

/// The spawner process, as the server sees it.
pub struct Spawner {
    /// The socket that the spawner is asked through.
    pub(super) socket: OwnedFd,
    /// What its workers do.
    pub(super) work: Arc<dyn Work>,
}

impl Spawner {
    /// Forks the spawner, whose workers will do `work`, and lets it start a worker that seals itself, as a test.
    ///
    /// # Errors
    /// When this process has threads already, or the system refuses another process or a seal.
    pub fn start(work: Arc<dyn Work>) -> io::Result<Spawner> {
        // Without libaom, AVIF is encoded by rav1e, which starts threads.
        if cfg!(not(feature = "libaom")) {
            return Err(io::Error::other("this build encodes AVIF on threads, which a sealed process can't start"));
        }
        let (socket, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let server = getpid();
        match process::fork()? {
            Forked::Parent { .. } => drop(theirs),
            Forked::Child => {
                drop(socket);
                run(Children { server: theirs, running: BTreeMap::new() }, server, work.as_ref())
            }
        }
        let spawner = Spawner { socket, work };
        spawner.try_one()?;
        Ok(spawner)
    }

    fn try_one(&self) -> io::Result<()> {
        Request::Start(WorkerId::MAX).send(&self.socket)?;
        while let Some((event, stream)) = Event::receive(&self.socket)? {
            match (event, stream) {
                // It ends when its stream is dropped here.
                (Event::Started(_), Some(stream)) => greeted(&UnixStream::from(stream))?,
                (Event::Started(_), None) => return Err(io::Error::other("a stream did not come")),
                (Event::NotStarted(_, reason), _) => return Err(io::Error::other(reason)),
                (Event::Ended(..), _) => return Ok(()),
            }
        }
        Err(io::Error::other("the spawner ended"))
    }
}

/// The workers of the spawner, and its socket to the server.
struct Children {
    server: OwnedFd,
    running: BTreeMap<WorkerId, Child>,
}

/// A worker process.
struct Child {
    pid: Pid,
    /// Readable when it has ended.
    ended: OwnedFd,
    /// What it writes to its standard error.
    stderr: OwnedFd,
}

/// Serves the server until it is gone; never returns.
fn run(children: Children, server: Pid, work: &dyn Work) -> ! {
    let spawner = getpid();
    match prepare(server).and_then(|()| serve(children)) {
        Ok(Some(inheritance)) => worker::run(inheritance, spawner, work),
        // An error means that the server is gone, and with it the reason to continue.
        Ok(None) | Err(_) => process::exit_now(0),
    }
}

fn prepare(server: Pid) -> io::Result<()> {
    set_name(c"bytefit-spawner")?;
    process::ignore_stop_signals();
    set_parent_process_death_signal(Some(Signal::KILL))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    if getppid() != Some(server) {
        return Err(io::Error::other("the server is gone"));
    }
    worker::keep_panics();
    Ok(())
}

/// Answers requests until the server is gone. In a forked worker it returns what the worker inherits; everything else
/// that the spawner had open is closed there.
fn serve(mut children: Children) -> io::Result<Option<Inheritance>> {
    loop {
        let (is_asked, ended) = children.wait()?;
        for id in ended {
            children.report_end(id)?;
        }
        if !is_asked {
            continue;
        }
        match Request::receive(&children.server)? {
            Some(Request::Start(id)) => {
                if let Some(inheritance) = children.start(id)? {
                    return Ok(Some(inheritance));
                }
            }
            Some(Request::Kill(id)) => children.kill(id),
            None => {
                children.running.keys().for_each(|id| children.kill(*id));
                return Ok(None);
            }
        }
    }
}

impl Children {
    /// Waits until the server asks something or workers have ended. Returns whether it asks, and which ended.
    fn wait(&self) -> io::Result<(bool, Vec<WorkerId>)> {
        let mut watched = vec![PollFd::new(&self.server, PollFlags::IN)];
        watched.extend(self.running.values().map(|child| PollFd::new(&child.ended, PollFlags::IN)));
        process::wait_or_idle(&mut watched)?;
        let is_ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
        let ended = self.running.keys().zip(&watched[1..]).filter(|(_, fd)| is_ready(fd)).map(|(id, _)| *id).collect();
        Ok((is_ready(&watched[0]), ended))
    }

    /// Forks a worker and reports it. Returns what it inherits in the worker itself, and `None` in the spawner.
    fn start(&mut self, id: WorkerId) -> io::Result<Option<Inheritance>> {
        let event = match fork_worker() {
            Ok(Fork::Worker(inheritance)) => return Ok(Some(inheritance)),
            Ok(Fork::Spawner(child, stream)) => {
                self.running.insert(id, child);
                return Event::Started(id).send(&self.server, Some(stream.as_fd())).map(|()| None);
            }
            Err(error) => Event::NotStarted(id, error.to_string()),
        };
        event.send(&self.server, None).map(|()| None)
    }

    fn report_end(&mut self, id: WorkerId) -> io::Result<()> {
        let Some(child) = self.running.get(&id) else { return Ok(()) };
        let Some(status) = process::reap(child.pid)? else { return Ok(()) };
        let stderr_tail = self.running.remove(&id).map(|child| stderr_tail(child.stderr)).unwrap_or_default();
        Event::Ended(id, End { status, stderr_tail }).send(&self.server, None)
    }

    fn kill(&self, id: WorkerId) {
        // A worker that has ended already needs no killing.
        if let Some(child) = self.running.get(&id) {
            let _ = pidfd_send_signal(&child.ended, Signal::KILL);
        }
    }
}

/// One of the two processes after a fork.
enum Fork {
    Worker(Inheritance),
    /// The spawner, with the worker and the server's end of its stream.
    Spawner(Child, UnixStream),
}

fn fork_worker() -> io::Result<Fork> {
    let (ours, stream) = UnixStream::pair()?;
    // Not blocking: neither may a worker wait until somebody reads what it says, nor the spawner until one says
    // something.
    let (stderr, standard_error) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    match process::fork()? {
        Forked::Parent { child: pid } => {
            let ended = pidfd_open(pid, PidfdFlags::empty()).inspect_err(|_| process::end(pid))?;
            Ok(Fork::Spawner(Child { pid, ended, stderr }, ours))
        }
        Forked::Child => Ok(Fork::Worker(Inheritance { stream, standard_error })),
    }
}

/// The last text that a worker wrote to its standard error, as far as it can be read.
fn stderr_tail(stderr: OwnedFd) -> String {
    let mut bytes = Vec::new();
    // An error is the end of what can be read.
    let _ = std::fs::File::from(stderr).take(MAX_PIPED).read_to_end(&mut bytes);
    let start = bytes.len().saturating_sub(MAX_STDERR_TAIL);
    String::from_utf8_lossy(&bytes[start..]).trim().to_owned()
}

/// Waits until the worker at the other end of `stream` says that it is sealed.
///
/// # Errors
/// When it is not, or does not answer in time.
pub(super) fn greeted(stream: &UnixStream) -> io::Result<()> {
    greeted_within(stream, GREETING_TIME)
}

fn greeted_within(stream: &UnixStream, time: Duration) -> io::Result<()> {
    let time = Timespec::try_from(time).map_err(io::Error::other)?;
    if retry_on_intr(|| poll(&mut [PollFd::new(stream, PollFlags::IN)], Some(&time)))? == 0 {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "the worker did not say in time that it is sealed"));
    }
    match wire::receive::<Greeting>(stream, 0)? {
        Some((Greeting::Ready, _)) => Ok(()),
        Some((Greeting::Unsealed(reason), _)) => Err(io::Error::other(reason)),
        None => Err(io::Error::other("the worker ended before it was sealed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_says_nothing_is_not_waited_for() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let silent = greeted_within(&ours, Duration::from_millis(1)).unwrap_err();
        assert_eq!(silent.kind(), io::ErrorKind::TimedOut);
        wire::send(&theirs, &Greeting::Ready, &[]).unwrap();
        assert!(greeted_within(&ours, Duration::from_secs(60)).is_ok());
    }
}
