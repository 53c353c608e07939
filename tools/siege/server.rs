//! The service that is attacked: the real binary in a process of its own, which ends with this one.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use testkit::processes::children_of;
use tokio::time::sleep;

use crate::client::{ask, get};

const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A running service; dropping it kills it.
pub(crate) struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// Starts it under settings such as `("ENGINE__MEMORY", "256MiB")`.
    pub(crate) async fn open(settings: &[(&str, &str)]) -> Server {
        Server::with_files(file_limit(), settings).await
    }

    /// Starts it with a limit on open files.
    pub(crate) async fn with_files(files: u64, settings: &[(&str, &str)]) -> Server {
        let log = tempfile::tempfile().expect("a file for the log");
        let mut command = binary((libc::RLIMIT_NOFILE, files));
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command.envs(settings.iter().map(|(key, value)| (format!("BYTEFIT_{key}"), value)));
        command.stderr(log.try_clone().expect("a second handle"));
        let child = command.spawn().expect("the binary starts");
        let mut server = Server { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        server.address = loop {
            assert!(server.is_alive(), "the service doesn't start: {}", start_of(&log));
            match bound(&start_of(&log)) {
                Some(address) => break address,
                None => sleep(POLL_INTERVAL).await,
            }
        };
        server
    }

    /// A number in /proc/PID/status: kibibytes, or a count.
    fn status(&self, field: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
        line.split_whitespace().next().and_then(|value| value.parse().ok()).unwrap_or(f64::NAN)
    }

    pub(crate) fn resident_mib(&self) -> f64 {
        self.status("VmRSS:") / 1024.0
    }

    pub(crate) fn peak_mib(&self) -> f64 {
        self.status("VmHWM:") / 1024.0
    }

    pub(crate) fn threads(&self) -> f64 {
        self.status("Threads:")
    }

    /// The number of open files.
    pub(crate) fn files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).map_or(0, Iterator::count)
    }

    /// Waits until it has at most `files` open files. Returns whether that happened in time.
    pub(crate) async fn closes_down_to(&self, files: usize, within: Duration) -> bool {
        let since = Instant::now();
        while self.files() > files && since.elapsed() < within {
            sleep(POLL_INTERVAL).await;
        }
        self.files() <= files
    }

    /// The worker processes that use a core now.
    pub(crate) fn busy_workers(&self) -> Vec<i32> {
        let spawners = children_of(self.child.id() as i32);
        let workers = spawners.flat_map(|spawner| children_of(spawner.pid));
        workers.filter(|worker| worker.state == 'R').map(|worker| worker.pid).collect()
    }

    /// The sum of these series in /metrics.
    pub(crate) async fn series(&self, names: &[&str]) -> f64 {
        self.sum_of_series(|name| names.contains(&name)).await
    }

    /// The sum of the series in /metrics whose names and labels start with `start`.
    pub(crate) async fn series_starting_with(&self, start: &str) -> f64 {
        self.sum_of_series(|name| name.starts_with(start)).await
    }

    async fn sum_of_series(&self, is_counted: impl Fn(&str) -> bool) -> f64 {
        let Ok(answer) = ask(self.address, &get("/metrics")).await else { return f64::NAN };
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        lines.filter(|(name, _)| is_counted(name)).filter_map(|(_, value)| value.parse::<f64>().ok()).sum()
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal(libc::SIGTERM);
    }

    pub(crate) fn signal(&self, signal: libc::c_int) {
        // SAFETY: a plain system call; the child is not waited for yet, so the id is still its own.
        unsafe { libc::kill(self.child.id() as libc::pid_t, signal) };
    }

    /// Its exit status, or `None` when it still runs after `patience`.
    pub(crate) async fn ended(&mut self, patience: Duration) -> Option<ExitStatus> {
        let since = Instant::now();
        while self.is_alive() && since.elapsed() < patience {
            sleep(POLL_INTERVAL).await;
        }
        self.child.try_wait().ok().flatten()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start_of(log: &File) -> String {
    let mut start = [0; 4096];
    let read = log.read_at(&mut start, 0).unwrap_or(0);
    String::from_utf8_lossy(&start[..read]).into_owned()
}

/// The address in the log line that names what it listens on.
fn bound(log: &str) -> Option<SocketAddr> {
    let (_, rest) = log.split_once(r#""address":""#)?;
    rest.split_once('"')?.0.parse().ok()
}

/// The path of the binary, which is built into the same folder as this program.
fn bytefit() -> PathBuf {
    std::env::current_exe().expect("this program has a path").with_file_name("bytefit")
}

/// The binary in an empty environment, under a limit of the system. Exceeding the limit is an error and not a signal.
/// The system kills the process when this one is killed.
pub(crate) fn binary((resource, limit): (libc::__rlimit_resource_t, u64)) -> Command {
    let mut command = Command::new(bytefit());
    let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
    // SAFETY: plain system calls, fit for the moment between fork and exec.
    unsafe {
        command.env_clear().pre_exec(move || {
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            let set = libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) == 0 && libc::setrlimit(resource, &limit) == 0;
            if set { Ok(()) } else { Err(io::Error::last_os_error()) }
        })
    };
    command
}

/// Open files that a process may have.
pub(crate) fn file_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    limit.rlim_max
}

/// Raises the limit of this process to [`file_limit`].
pub(crate) fn raise_file_limit() {
    let limit = libc::rlimit { rlim_cur: file_limit(), rlim_max: file_limit() };
    // SAFETY: the pointer is to a live rlimit.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
}
