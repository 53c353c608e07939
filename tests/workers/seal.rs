//! What a worker can't do.
#![expect(unsafe_code, reason = "attempts are system calls")]

use std::io;
use std::net::{TcpStream, UdpSocket};
use std::process::Command;
use std::thread;

use crate::Bench;

/// The first number of a call that is answered as by a kernel without it.
const FIRST_NEW: i64 = 424;

pub(crate) fn nothing_is_reached(bench: &Bench) {
    let made = bench.run("attempts").expect("an answer");
    let text = String::from_utf8_lossy(&made.answer.bytes).into_owned();
    let (count, let_in) = text.split_once('\n').expect("a count");
    assert!(count.parse::<usize>().expect("a number") > 30, "{text}");
    assert_eq!(let_in, "", "a worker was let in");
}

/// Makes every attempt. Returns how many, and those that were not refused.
pub(crate) fn attempts() -> String {
    let mut made = 0;
    let mut let_in = Vec::new();
    let mut take_down = |name: &str, error: Option<io::Error>| {
        made += 1;
        let refused =
            |error: &io::Error| matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOSYS | libc::EACCES));
        if !error.as_ref().is_some_and(refused) {
            let_in.push(format!("{name}: {error:?}"));
        }
    };
    take_down("read a file", std::fs::read("/etc/hostname").err());
    take_down("read itself", std::fs::read("/proc/self/maps").err());
    take_down("write a file", std::fs::write("/tmp/from_a_worker", "x").err());
    take_down("connect", TcpStream::connect("127.0.0.1:1").err());
    take_down("datagram", UdpSocket::bind("127.0.0.1:0").err());
    take_down("start a program", Command::new("/bin/true").spawn().err());
    take_down("start a thread", thread::Builder::new().spawn(|| ()).err());
    for (name, number, arguments) in calls() {
        // SAFETY: no argument is the address of memory that a call writes to.
        let returned = unsafe { libc::syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], 0, 0) };
        let error = (returned == -1).then(io::Error::last_os_error);
        let expected = if number >= FIRST_NEW { libc::ENOSYS } else { libc::EPERM };
        take_down(name, error.filter(|error| error.raw_os_error() == Some(expected)));
    }
    format!("{made}\n{}", let_in.join("\n"))
}

fn calls() -> Vec<(&'static str, i64, [i64; 4])> {
    // SAFETY: has no preconditions.
    let (itself, parent) = unsafe { (i64::from(libc::getpid()), i64::from(libc::getppid())) };
    let executable = i64::from(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC);
    let anonymous = i64::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let kill = i64::from(libc::SIGTERM);
    vec![
        ("socket", libc::SYS_socket, [libc::AF_UNIX.into(), libc::SOCK_STREAM.into(), 0, 0]),
        ("socketpair", libc::SYS_socketpair, [libc::AF_UNIX.into(), libc::SOCK_STREAM.into(), 0, 0]),
        ("connect", libc::SYS_connect, [3, 0, 0, 0]),
        ("bind", libc::SYS_bind, [3, 0, 0, 0]),
        ("sendmsg", libc::SYS_sendmsg, [3, 0, 0, 0]),
        ("recvmsg", libc::SYS_recvmsg, [3, 0, 0, 0]),
        ("openat", libc::SYS_openat, [libc::AT_FDCWD.into(), 0, 0, 0]),
        ("openat2", libc::SYS_openat2, [0; 4]),
        ("memfd_create", libc::SYS_memfd_create, [0; 4]),
        ("unlinkat", libc::SYS_unlinkat, [0; 4]),
        ("execve", libc::SYS_execve, [0; 4]),
        ("execveat", libc::SYS_execveat, [0; 4]),
        ("clone", libc::SYS_clone, [0; 4]),
        ("clone3", libc::SYS_clone3, [0; 4]),
        ("unshare", libc::SYS_unshare, [0; 4]),
        ("setns", libc::SYS_setns, [0; 4]),
        ("ptrace", libc::SYS_ptrace, [0; 4]),
        ("process_vm_readv", libc::SYS_process_vm_readv, [0; 4]),
        ("kill itself", libc::SYS_kill, [itself, 0, 0, 0]),
        ("kill its parent", libc::SYS_kill, [parent, kill, 0, 0]),
        ("tgkill its parent", libc::SYS_tgkill, [parent, parent, kill, 0]),
        ("pidfd_open", libc::SYS_pidfd_open, [parent, 0, 0, 0]),
        ("limits of its parent", libc::SYS_prlimit64, [parent, 0, 0, 0]),
        ("mmap, executable", libc::SYS_mmap, [0, 4096, executable, anonymous]),
        ("mprotect, executable", libc::SYS_mprotect, [0, 4096, executable, 0]),
        ("prctl", libc::SYS_prctl, [libc::PR_SET_DUMPABLE.into(), 1, 0, 0]),
        ("seccomp", libc::SYS_seccomp, [0; 4]),
        ("setuid", libc::SYS_setuid, [0; 4]),
        ("io_uring_setup", libc::SYS_io_uring_setup, [1, 0, 0, 0]),
        ("bpf", libc::SYS_bpf, [0; 4]),
        ("ioctl", libc::SYS_ioctl, [0, libc::TIOCSTI as i64, 0, 0]),
        ("mount", libc::SYS_mount, [0; 4]),
    ]
}
