//! The processes of the service under test, as /proc shows them.
#![expect(unsafe_code, reason = "signals are system calls")]

use std::fs;

use testkit::processes::{Process, children_of};

/// What the service leaves behind.
pub(crate) struct Footprint {
    /// Of this process and the spawner.
    pub descriptors: usize,
    /// Of the spawner.
    pub children: usize,
    pub zombies: usize,
    /// Of this process and the spawner.
    pub resident_kib: u64,
}

impl Footprint {
    pub(crate) fn now() -> Footprint {
        let own = [std::process::id() as i32, spawner()];
        let children: Vec<Process> = own.into_iter().flat_map(children_of).collect();
        Footprint {
            descriptors: own.iter().map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)).sum(),
            children: children.len(),
            zombies: children.iter().filter(|process| !process.runs()).count(),
            resident_kib: own.iter().map(|pid| resident_kib(*pid)).sum(),
        }
    }
}

/// The spawner of this process.
pub(crate) fn spawner() -> i32 {
    children_of(std::process::id() as i32).next().expect("a spawner").pid
}

/// The workers that run.
pub(crate) fn workers() -> Vec<i32> {
    children_of(spawner()).filter(Process::runs).map(|process| process.pid).collect()
}

/// The workers that use a core now.
pub(crate) fn busy_workers() -> Vec<i32> {
    children_of(spawner()).filter(|process| process.state == 'R').map(|process| process.pid).collect()
}

/// Ends a process of this test.
pub(crate) fn kill(pid: i32) {
    // SAFETY: a signal to a process that this one has started.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGKILL) }, 0);
}

fn resident_kib(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}
