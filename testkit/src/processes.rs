//! Processes as /proc shows them, for tests that look at the service from outside.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// A process in /proc.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pub pid: i32,
    pub parent: i32,
    /// R while it runs, S while it sleeps, Z when it has ended and was not reaped.
    pub state: char,
}

impl Process {
    /// Whether it has not ended.
    pub fn runs(&self) -> bool {
        self.state != 'Z'
    }
}

/// The processes that `parent` has started, those included that have ended and were not reaped.
pub fn children_of(parent: i32) -> impl Iterator<Item = Process> {
    let entries = fs::read_dir("/proc").expect("Linux has /proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(process).filter(move |process| process.parent == parent)
}

/// Whether a process of this id has not ended.
pub fn runs(pid: i32) -> bool {
    process(pid).is_some_and(|process| process.runs())
}

/// Reads `/proc/PID/stat`: the id, the name in parentheses, the state, the parent's id. Returns `None` for a process
/// that is gone.
fn process(pid: i32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    Some(Process { pid, state: fields.next()?.chars().next()?, parent: fields.next()?.parse().ok()? })
}

/// Waits until `holds`.
///
/// # Panics
/// When that takes longer than `patience`.
pub fn wait_until(what: &str, patience: Duration, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < patience, "{what}");
        thread::yield_now();
    }
}
