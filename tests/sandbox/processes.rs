//! The processes of the service: the server, its spawner and its workers, and signals to each.
#![expect(unsafe_code, reason = "signals are system calls")]

use std::cell::Cell;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use testkit::processes::{children_of, runs, wait_until};

use crate::service::{Service, rest};

/// Takes seconds.
const LONG_JOB: &str = "/compress?target=60KB&format=avif&effort=best&deadline=60s";

#[test]
fn a_worker_that_is_killed_costs_its_job_and_no_other() {
    let service = Service::start();
    let killed = service.long_job(1);
    let worker = service.busy_worker();
    let neighbour = service.long_job(2);
    signal(worker, libc::SIGKILL);
    let answer = rest(killed);
    assert!(answer.starts_with(b"HTTP/1.1 500"), "{}", String::from_utf8_lossy(&answer));
    let logged = service.logged();
    assert!(logged["cause"].as_str().is_some_and(|cause| cause.contains("died: killed: signal 9")), "{logged}");
    let asked = Instant::now();
    assert!(service.ask("GET", "/health", b"").starts_with(b"HTTP/1.1 200"));
    assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
    assert!(rest(neighbour).starts_with(b"HTTP/1.1 200"));
    let metrics = String::from_utf8(service.ask("GET", "/metrics", b"")).unwrap();
    assert!(metrics.contains("bytefit_worker_deaths_total{cause=\"killed\"} 1"), "{metrics}");
}

#[test]
fn sigterm_to_every_process_loses_no_job() {
    let mut service = Service::start();
    let jobs = [service.long_job(1), service.long_job(2)];
    service.busy_worker();
    signal(-service.pid(), libc::SIGTERM);
    for job in jobs {
        assert!(rest(job).starts_with(b"HTTP/1.1 200"));
    }
    assert!(service.process.wait().unwrap().success());
}

#[test]
fn no_process_outlives_a_killed_server() {
    let mut service = Service::start();
    let _job = service.long_job(1);
    service.busy_worker();
    let processes = service.descendants();
    assert!(processes.len() >= 2, "a spawner and a worker");
    service.signal(libc::SIGKILL);
    service.process.wait().unwrap();
    wait_until("all processes are gone", Duration::from_secs(1), || processes.iter().all(|pid| !runs(*pid)));
}

#[test]
fn a_service_without_its_spawner_drains_and_fails() {
    let mut service = Service::start();
    let job = service.long_job(1);
    service.busy_worker();
    let workers = service.descendants();
    signal(service.spawner(), libc::SIGKILL);
    let answer = rest(job);
    assert!(answer.starts_with(b"HTTP/1.1 503"), "another instance can do it: {}", String::from_utf8_lossy(&answer));
    assert_eq!(service.process.wait().unwrap().code(), Some(1));
    wait_until("its workers are gone", Duration::from_secs(1), || workers.iter().all(|pid| !runs(*pid)));
}

impl Service {
    fn pid(&self) -> i32 {
        self.process.id() as i32
    }

    /// A request that is sent whole and takes seconds; with another seed it is another one.
    fn long_job(&self, seed: u64) -> TcpStream {
        let picture = testkit::drawing::noisy_jpeg(1200, 900, seed);
        let mut connection = self.send_head("POST", LONG_JOB, &picture, "");
        connection.write_all(&picture).unwrap();
        connection
    }

    fn spawner(&self) -> i32 {
        children_of(self.pid()).next().expect("a spawner").pid
    }

    /// The spawner and its workers.
    fn descendants(&self) -> Vec<i32> {
        let spawner = self.spawner();
        children_of(spawner).map(|process| process.pid).chain([spawner]).collect()
    }

    /// The worker that is at work, once there is one.
    fn busy_worker(&self) -> i32 {
        let busy = Cell::new(None);
        wait_until("a worker is at work", Duration::from_secs(20), || {
            busy.set(children_of(self.spawner()).find(|process| process.state == 'R').map(|process| process.pid));
            busy.get().is_some()
        });
        busy.get().expect("one was at work")
    }
}

fn signal(pid: i32, signal: i32) {
    // SAFETY: plain numbers; the process was started by this test.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}
