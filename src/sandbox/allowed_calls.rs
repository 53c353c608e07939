//! The system calls that the serving process may make after it listens, and those that a worker may make.
//!
//! The list comes from the sources of glibc, musl, jemalloc and the runtime, and from strace of the running service. It
//! includes calls of rare paths, such as a panic's backtrace, or SIGSTOP and SIGCONT.

use super::Rights;
use super::filter::Argument::{Bits, Is, Null, OwnId, With, Without};
use super::filter::{AllowList, Argument};

/// Those of a server. Landlock bounds the ports and folders.
pub(super) fn of_server(rights: &Rights) -> AllowList {
    let mut list = AllowList {
        unconditional: vec![SERVER_UNCONDITIONAL, SERVER_UNCONDITIONAL_X86],
        conditional: vec![SERVER_CONDITIONAL, SERVER_CONDITIONAL_X86],
    };
    if !rights.ports.is_empty() {
        list.unconditional.push(CONNECTING_UNCONDITIONAL);
        list.conditional.push(CONNECTING_CONDITIONAL);
    }
    if !rights.folders.is_empty() {
        list.unconditional.extend([WRITING_UNCONDITIONAL, WRITING_UNCONDITIONAL_X86]);
    }
    list
}

/// Those of a worker: memory, its stream, time, and what a Rust process calls when it panics, aborts or ends.
pub(super) fn of_worker() -> AllowList {
    AllowList {
        unconditional: vec![WORKER_UNCONDITIONAL, WORKER_UNCONDITIONAL_X86],
        conditional: vec![WORKER_CONDITIONAL],
    }
}

/// Flags of open that write, create or truncate a file.
const WRITE_FLAGS: i32 =
    libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC | (libc::O_TMPFILE & !libc::O_DIRECTORY);

/// Flags of clone that create namespaces.
const NAMESPACE_FLAGS: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;

const SERVER_CONDITIONAL: &[(i64, &[Argument])] = &[
    // Files are opened for reading only.
    (libc::SYS_openat, &[Without(2, WRITE_FLAGS)]),
    // Memory is never executable.
    (libc::SYS_mmap, &[Without(2, libc::PROT_EXEC)]),
    (libc::SYS_mprotect, &[Without(2, libc::PROT_EXEC)]),
    // Threads may start, processes may not.
    (libc::SYS_clone, &[With(0, libc::CLONE_THREAD), Without(0, NAMESPACE_FLAGS)]),
    // Data is sent on open connections only, to no other address.
    (libc::SYS_sendto, &[Without(3, libc::MSG_FASTOPEN), Null(4)]),
    (libc::SYS_setsockopt, &[Is(1, libc::IPPROTO_TCP), Is(2, libc::TCP_NODELAY)]),
    // The runtime's signal handler wakes it through a pair of sockets.
    (libc::SYS_socketpair, &[Is(0, libc::AF_UNIX)]),
    (libc::SYS_fcntl, &[Is(1, libc::F_GETFD)]),
    (libc::SYS_fcntl, &[Is(1, libc::F_SETFD)]),
    (libc::SYS_fcntl, &[Is(1, libc::F_GETFL)]),
    (libc::SYS_fcntl, &[Is(1, libc::F_SETFL)]),
    (libc::SYS_fcntl, &[Is(1, libc::F_DUPFD_CLOEXEC)]),
    // TIOCSTI, which types into the terminal, is not among them.
    (libc::SYS_ioctl, &[Is(1, libc::FIONBIO as i32)]),
    (libc::SYS_ioctl, &[Is(1, libc::FIOCLEX as i32)]),
    (libc::SYS_ioctl, &[Is(1, libc::TCGETS as i32)]),
    // Threads get names.
    (libc::SYS_prctl, &[Is(0, libc::PR_SET_NAME)]),
    // Limits may be read but not set.
    (libc::SYS_prlimit64, &[Is(0, 0), Null(2)]),
    // abort() sends a signal to its own thread.
    (libc::SYS_tgkill, &[OwnId(0)]),
];

/// Calls that only x86-64 has.
#[cfg(target_arch = "x86_64")]
const SERVER_CONDITIONAL_X86: &[(i64, &[Argument])] = &[(libc::SYS_open, &[Without(1, WRITE_FLAGS)])];
#[cfg(not(target_arch = "x86_64"))]
const SERVER_CONDITIONAL_X86: &[(i64, &[Argument])] = &[];

/// The bits of a socket's type, without its flags (include/linux/net.h, SOCK_TYPE_MASK).
const SOCKET_TYPE: i32 = 0xf;

const CONNECTING_CONDITIONAL: &[(i64, &[Argument])] = &[
    // TCP for hosts of pictures and Redis, UDP for name servers.
    (libc::SYS_socket, &[Is(0, libc::AF_INET), Bits(1, SOCKET_TYPE, libc::SOCK_STREAM)]),
    (libc::SYS_socket, &[Is(0, libc::AF_INET6), Bits(1, SOCKET_TYPE, libc::SOCK_STREAM)]),
    (libc::SYS_socket, &[Is(0, libc::AF_INET), Bits(1, SOCKET_TYPE, libc::SOCK_DGRAM)]),
    (libc::SYS_socket, &[Is(0, libc::AF_INET6), Bits(1, SOCKET_TYPE, libc::SOCK_DGRAM)]),
    // A question to a name server names its address.
    (libc::SYS_sendto, &[Without(3, libc::MSG_FASTOPEN)]),
];

const CONNECTING_UNCONDITIONAL: &[i64] = &[
    libc::SYS_connect,
    // Questions to name servers come from a port at random. Nothing can listen.
    libc::SYS_bind,
];

/// Files of caches and batches are made, linked, synced, renamed and removed. Those of a server that writes nothing are
/// opened for reading only.
const WRITING_UNCONDITIONAL: &[i64] = &[
    libc::SYS_openat,
    libc::SYS_linkat,
    libc::SYS_mkdirat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
    libc::SYS_fsync,
];

#[cfg(target_arch = "x86_64")]
const WRITING_UNCONDITIONAL_X86: &[i64] =
    &[libc::SYS_open, libc::SYS_link, libc::SYS_mkdir, libc::SYS_rename, libc::SYS_unlink, libc::SYS_rmdir];
#[cfg(not(target_arch = "x86_64"))]
const WRITING_UNCONDITIONAL_X86: &[i64] = &[];

const SERVER_UNCONDITIONAL: &[i64] = &[
    // Open files and connections are read, written and closed.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_close,
    // Files and directories are inspected.
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    // Connections are accepted.
    libc::SYS_accept4,
    libc::SYS_recvfrom,
    libc::SYS_shutdown,
    // Streams to workers come with messages of the spawner.
    libc::SYS_recvmsg,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    // The runtime waits.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_ppoll,
    libc::SYS_futex,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    // The kernel resumes a wait with this call after SIGSTOP and SIGCONT.
    libc::SYS_restart_syscall,
    // Time, when it can't be read without a system call.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Threads start, end and share cores.
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    libc::SYS_membarrier,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Signals are handled.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    // The process and the machine.
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrusage,
    libc::SYS_getrandom,
    libc::SYS_sysinfo,
    libc::SYS_uname,
];

#[cfg(target_arch = "x86_64")]
const SERVER_UNCONDITIONAL_X86: &[i64] = &[
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_epoll_wait,
    libc::SYS_poll,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const SERVER_UNCONDITIONAL_X86: &[i64] = &[];

const WORKER_CONDITIONAL: &[(i64, &[Argument])] = &[
    // Memory is never executable.
    (libc::SYS_mmap, &[Without(2, libc::PROT_EXEC)]),
    (libc::SYS_mprotect, &[Without(2, libc::PROT_EXEC)]),
    // Answers go to the server only.
    (libc::SYS_sendto, &[Without(3, libc::MSG_FASTOPEN), Null(4)]),
    // The memory limit of the next job.
    (libc::SYS_prlimit64, &[Is(0, 0)]),
    // abort() sends a signal to its own thread.
    (libc::SYS_tgkill, &[OwnId(0)]),
];

const WORKER_UNCONDITIONAL: &[i64] = &[
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // The stream, and what is written to standard error.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_ppoll,
    // Locks, clocks, random numbers, the number of cores.
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_getrandom,
    libc::SYS_sysinfo,
    // Signals, as a full stack and abort() use them.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

#[cfg(target_arch = "x86_64")]
const WORKER_UNCONDITIONAL_X86: &[i64] = &[libc::SYS_poll, libc::SYS_time];
#[cfg(not(target_arch = "x86_64"))]
const WORKER_UNCONDITIONAL_X86: &[i64] = &[];
