//! What the serving process may still call once it listens.
//!
//! The list comes from reading what glibc, musl, jemalloc and the runtime call, and from strace of the service at work.
//! A call that only a rare path makes (a panic's backtrace, a stop and continue) stands here too.

use super::filter::Argument::{Is, Null, OwnId, With, Without};
use super::filter::{AllowList, Argument};

pub const CALLS: AllowList = AllowList { any: &[ANY, ANY_HERE], limited: &[LIMITED, LIMITED_HERE] };

/// What a flag of open may not ask for: writing, making a file, emptying one.
const WRITES: i32 =
    libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC | (libc::O_TMPFILE & !libc::O_DIRECTORY);

/// The flags of clone that put a thread in namespaces of its own.
const NAMESPACES: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;

const LIMITED: &[(i64, &[Argument])] = &[
    // Files are opened to be read.
    (libc::SYS_openat, &[Without(2, WRITES)]),
    // Memory holds no new code.
    (libc::SYS_mmap, &[Without(2, libc::PROT_EXEC)]),
    (libc::SYS_mprotect, &[Without(2, libc::PROT_EXEC)]),
    // Threads, no processes.
    (libc::SYS_clone, &[With(0, libc::CLONE_THREAD), Without(0, NAMESPACES)]),
    // Answers go out on the connection that they belong to.
    (libc::SYS_sendto, &[Without(3, libc::MSG_FASTOPEN), Null(4)]),
    (libc::SYS_setsockopt, &[Is(1, libc::IPPROTO_TCP), Is(2, libc::TCP_NODELAY)]),
    // The runtime's signal handler wakes it through such a pair.
    (libc::SYS_socketpair, &[Is(0, libc::AF_UNIX)]),
    (libc::SYS_fcntl, &[Is(1, libc::F_GETFD)]),
    (libc::SYS_fcntl, &[Is(1, libc::F_SETFD)]),
    (libc::SYS_fcntl, &[Is(1, libc::F_GETFL)]),
    (libc::SYS_fcntl, &[Is(1, libc::F_SETFL)]),
    (libc::SYS_fcntl, &[Is(1, libc::F_DUPFD_CLOEXEC)]),
    // Not TIOCSTI, which types into the terminal.
    (libc::SYS_ioctl, &[Is(1, libc::FIONBIO as i32)]),
    (libc::SYS_ioctl, &[Is(1, libc::FIOCLEX as i32)]),
    (libc::SYS_ioctl, &[Is(1, libc::TCGETS as i32)]),
    // Names of threads.
    (libc::SYS_prctl, &[Is(0, libc::PR_SET_NAME)]),
    // Limits are read, not set.
    (libc::SYS_prlimit64, &[Is(0, 0), Null(2)]),
    // abort() signals its own thread.
    (libc::SYS_tgkill, &[OwnId(0)]),
];

/// Calls under names that only older architectures have.
#[cfg(target_arch = "x86_64")]
const LIMITED_HERE: &[(i64, &[Argument])] = &[(libc::SYS_open, &[Without(1, WRITES)])];
#[cfg(not(target_arch = "x86_64"))]
const LIMITED_HERE: &[(i64, &[Argument])] = &[];

const ANY: &[i64] = &[
    // What is open is read, written and closed.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_close,
    // Files are looked at.
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
    // After SIGSTOP and SIGCONT the kernel takes a wait up again by this one.
    libc::SYS_restart_syscall,
    // Time, where the kernel has no quicker way to tell it.
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
const ANY_HERE: &[i64] = &[
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_epoll_wait,
    libc::SYS_poll,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const ANY_HERE: &[i64] = &[];
