//! Forking this process, how it waits, and how a child ended.
#![expect(unsafe_code, reason = "fork, signal and _exit are system calls")]

use std::io;

use rustix::event::{PollFd, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};

use super::control::EndStatus;
use crate::engine::{IDLE, release_idle_memory};

/// Which of the two processes goes on after [`fork`].
#[derive(Debug)]
pub(super) enum Forked {
    /// The process that called.
    Parent {
        /// The new process.
        child: Pid,
    },
    /// The new process.
    Child,
}

/// Forks this process, which must have one thread: a lock that another thread holds would stay locked in the child.
///
/// # Errors
/// When the system refuses another process, or this one has more threads than one.
pub(super) fn fork() -> io::Result<Forked> {
    if !is_single_threaded() {
        return Err(io::Error::other("a process with several threads can't be forked"));
    }
    // SAFETY: this process has one thread, so the child may go on as its parent would.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        pid => match Pid::from_raw(pid) {
            Some(child) => Ok(Forked::Parent { child }),
            None => Err(io::Error::other("fork returned no process")),
        },
    }
}

/// Whether this process has one thread. Without /proc the caller is trusted.
fn is_single_threaded() -> bool {
    std::fs::read_dir("/proc/self/task").map_or(true, |tasks| tasks.count() == 1)
}

/// Ignores the signals that a terminal or a supervisor sends to every process of a service: the server decides when a
/// worker ends.
pub(super) fn ignore_stop_signals() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGPIPE] {
        // SAFETY: SIG_IGN is no handler, so there is nothing that could be unsafe to run.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Waits until one of `watched` is ready. When that takes a while, this process returns to the system what it does not
/// need meanwhile.
///
/// # Errors
/// The system's own.
pub(super) fn wait_or_idle(watched: &mut [PollFd<'_>]) -> io::Result<()> {
    let idle = Timespec { tv_sec: IDLE.as_secs() as i64, tv_nsec: 0 };
    let mut patience = Some(&idle);
    loop {
        match poll(watched, patience) {
            Ok(0) => {
                release_idle_memory();
                patience = None;
            }
            Err(Errno::INTR) => {}
            result => return Ok(result.map(drop)?),
        }
    }
}

/// Ends this process at once, without running what Rust or C registered for its end: that belongs to the parent.
pub(super) fn exit_now(code: i32) -> ! {
    // SAFETY: never returns, and touches no memory.
    unsafe { libc::_exit(code) }
}

/// Kills `child` and waits for its end.
pub(super) fn end(child: Pid) {
    // An error means that it is no child of this process any more.
    let _ = rustix::process::kill_process(child, Signal::KILL);
    let _ = rustix::process::waitpid(Some(child), rustix::process::WaitOptions::empty());
}

/// How `child` ended. Returns `None` while it runs.
///
/// # Errors
/// When it is no child of this process.
pub(super) fn reap(child: Pid) -> io::Result<Option<EndStatus>> {
    let waited = rustix::process::waitpid(Some(child), rustix::process::WaitOptions::NOHANG)?;
    Ok(waited.and_then(|(_, status)| {
        let by_signal = status.terminating_signal().map(EndStatus::Signal);
        by_signal.or_else(|| status.exit_status().map(EndStatus::Exit))
    }))
}
