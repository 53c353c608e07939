//! The sandbox from within: what it forbids fails, what serving takes works. It holds for good, so that what enters it
//! is a process of its own: this binary again, told to run one of its ignored tests.

mod attempts;
mod batches;
mod calls;
mod processes;
mod service;

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use attempts::{Attempts, call};
use bytefit::sandbox::{self, Enforcement, Rights};

#[test]
fn every_call_that_serving_does_not_take_is_refused() {
    passes_alone("calls_inside");
}

#[test]
fn nothing_is_written_sent_started_or_signalled() {
    passes_alone("attempts_inside");
}

#[test]
fn what_serving_takes_works() {
    passes_alone("serving_inside");
}

#[test]
fn connections_go_to_the_ports_of_the_configuration_only() {
    passes_alone("connections_inside");
}

#[test]
fn files_are_written_in_the_folders_of_the_configuration_only() {
    passes_alone("folders_inside");
}

#[test]
fn an_abort_ends_the_process_as_everywhere() {
    let output = alone("abort_inside");
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{output:?}");
}

fn passes_alone(test: &str) {
    let output = alone(test);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "{said}");
}

fn alone(test: &str) -> Output {
    // From within nothing can be removed.
    let folder = tempfile::tempdir().unwrap();
    let mut itself = Command::new(std::env::current_exe().unwrap());
    itself.env("TMPDIR", folder.path()).args(["--exact", test, "--ignored", "--test-threads", "1"]).output().unwrap()
}

/// Enters, and goes on in a thread that is started after.
fn enter_and(then: impl FnOnce() + Send + 'static) {
    enter_with_and(&Rights::default(), then);
}

/// The same for a server that keeps these rights.
fn enter_with_and(rights: &Rights, then: impl FnOnce() + Send + 'static) {
    let sandbox = sandbox::enter(rights).unwrap();
    assert_eq!(sandbox.seccomp, Enforcement::Full, "every kernel of the last ten years has it");
    thread::spawn(then).join().unwrap();
}

#[test]
#[ignore = "locks its process in: started by a test above"]
fn calls_inside() {
    enter_and(|| {
        let mut attempts = Attempts::default();
        for &(name, number) in calls::REFUSED.iter().chain(calls::REFUSED_HERE) {
            attempts.call(name, number, [-1; 6]);
            attempts.call(&format!("{name}, x32"), calls::X32 | number, [-1; 6]);
        }
        // Numbers that only the 32-bit form has.
        for number in 512..=547 {
            attempts.call(&format!("x32 call {number}"), calls::X32 | number, [-1; 6]);
        }
        for number in 470..512 {
            attempts.call(&format!("call {number}, unknown yet"), number, [-1; 6]);
        }
        attempts.all_refused();
    });
}

#[test]
#[ignore = "locks its process in: started by a test above"]
fn attempts_inside() {
    let files = attempts::Files::new();
    let network = attempts::Network::new();
    enter_and(move || {
        let mut attempts = Attempts::default();
        files.attempt(&mut attempts);
        network.attempt(&mut attempts);
        attempts::processes(&mut attempts);
        attempts::memory(&mut attempts);
        attempts.all_refused();
        files.are_as_before();
        network.is_silent();
    });
}

#[test]
#[ignore = "locks its process in: started by a test above"]
fn serving_inside() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // Connected before, and accepted after.
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    enter_and(move || {
        let (server, _) = listener.accept().unwrap();
        server.set_nodelay(true).unwrap();
        server.set_nonblocking(false).unwrap();
        server.try_clone().unwrap().write_all(b"served").unwrap();
        drop(server);
        let mut said = String::new();
        client.read_to_string(&mut said).unwrap();
        assert_eq!(said, "served");

        for file in ["/proc/self/stat", "/proc/self/limits", "/proc/meminfo"] {
            assert!(!fs::read_to_string(file).unwrap().is_empty(), "{file}");
        }
        assert!(fs::read_dir("/proc/self/fd").unwrap().count() > 3);
        UnixStream::pair().unwrap();
        assert!(thread::available_parallelism().unwrap().get() > 0);
        // Hash maps draw their keys from the system.
        assert!(thread::spawn(HashMap::<u8, u8>::new).join().unwrap().is_empty());
        thread::sleep(Duration::from_millis(1));
        assert!(std::backtrace::Backtrace::force_capture().to_string().contains("serving_inside"));
        let large = vec![1_u8; 64 << 20];
        drop(large);
        // What the kernel says where no wait is to be taken up again.
        let taken_up = call(libc::SYS_restart_syscall, [0; 6]).unwrap_err();
        assert_eq!(taken_up.raw_os_error(), Some(libc::EINTR));
        let threads: Vec<_> = (0..32).map(|_| thread::spawn(|| thread::sleep(Duration::from_millis(1)))).collect();
        assert!(threads.into_iter().all(|thread| thread.join().is_ok()));
    });
}

#[test]
#[ignore = "locks its process in: started by a test above"]
fn connections_inside() {
    let [allowed, other] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let files = attempts::Files::new();
    let port = allowed.local_addr().unwrap().port();
    enter_with_and(&Rights { ports: vec![port], ..Rights::default() }, move || {
        let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        allowed.accept().unwrap().0.write_all(b"a picture").unwrap();
        let mut said = [0; 9];
        client.read_exact(&mut said).unwrap();
        let question = UdpSocket::bind("127.0.0.1:0").unwrap();
        question.send_to(b"a question", question.local_addr().unwrap()).unwrap();
        assert_eq!(question.recv(&mut said).unwrap(), 9);

        // Landlock answers with EACCES.
        let refused = TcpStream::connect(other.local_addr().unwrap()).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EACCES), "{refused}");
        let mut attempts = Attempts::default();
        let socket = |domain, kind| call(libc::SYS_socket, [i64::from(domain), i64::from(kind), 0, 0, 0, 0]);
        attempts.made("a Unix socket", socket(libc::AF_UNIX, libc::SOCK_STREAM));
        attempts.made("netlink", socket(libc::AF_NETLINK, libc::SOCK_RAW));
        attempts.made("packets", socket(libc::AF_PACKET, libc::SOCK_RAW));
        attempts.made("raw IP", socket(libc::AF_INET, libc::SOCK_RAW));
        attempts.made("listening", call(libc::SYS_listen, [0; 6]));
        files.attempt(&mut attempts);
        attempts::processes(&mut attempts);
        attempts::memory(&mut attempts);
        attempts.all_refused();
        files.are_as_before();
    });
}

#[test]
#[ignore = "locks its process in: started by a test above"]
fn folders_inside() {
    let allowed = tempfile::tempdir().unwrap().keep();
    let files = attempts::Files::new();
    let network = attempts::Network::new();
    let linked = allowed.join("linked");
    std::os::unix::fs::symlink(files.folder(), &linked).unwrap();
    enter_with_and(&Rights { folders: vec![allowed.clone()], ..Rights::default() }, move || {
        let folder = allowed.join("ab");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("new"), "one").unwrap();
        fs::write(folder.join("new"), "another").unwrap();
        fs::rename(folder.join("new"), folder.join("kept")).unwrap();
        assert_eq!(fs::read_to_string(folder.join("kept")).unwrap(), "another");
        fs::hard_link(folder.join("kept"), folder.join("linked")).unwrap();
        fs::remove_file(folder.join("kept")).unwrap();
        fs::remove_file(folder.join("linked")).unwrap();

        let mut attempts = Attempts::default();
        files.attempt_outside(&linked, &mut attempts);
        network.attempt(&mut attempts);
        attempts::processes(&mut attempts);
        attempts::memory(&mut attempts);
        attempts.all_refused();
        files.are_as_before();
        network.is_silent();
    });
}

#[test]
#[ignore = "locks its process in: started by a test above"]
fn abort_inside() {
    enter_and(|| std::process::abort());
}
