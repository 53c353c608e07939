//! Calls that are refused whatever they are asked to do. Each is made with arguments that no kernel takes, so that it
//! does next to nothing where it is let in: what comes back is then not what the sandbox says.

/// What x86-64 adds to a number for the call's 32-bit form.
pub(crate) const X32: i64 = 0x4000_0000;

macro_rules! numbers {
    ($($name:ident)*) => { &[$((stringify!($name), libc::$name)),*] };
}

pub(crate) const REFUSED: &[(&str, i64)] = numbers! {
    // Other programs and processes.
    SYS_execve SYS_execveat SYS_clone SYS_clone3 SYS_ptrace SYS_process_vm_readv SYS_process_vm_writev
    SYS_process_madvise SYS_process_mrelease SYS_kcmp SYS_pidfd_open SYS_pidfd_getfd SYS_pidfd_send_signal
    SYS_kill SYS_tkill SYS_tgkill SYS_rt_sigqueueinfo SYS_rt_tgsigqueueinfo SYS_wait4 SYS_waitid
    SYS_migrate_pages SYS_move_pages SYS_sched_setaffinity SYS_sched_setscheduler SYS_sched_setparam
    SYS_sched_setattr SYS_setpriority SYS_ioprio_set SYS_prlimit64 SYS_setrlimit SYS_setpgid SYS_prctl
    // Connections of our own.
    SYS_socket SYS_connect SYS_bind SYS_listen SYS_sendto SYS_sendmsg SYS_sendmmsg SYS_recvmmsg
    SYS_socketpair SYS_setsockopt
    // Files.
    SYS_openat SYS_openat2 SYS_open_by_handle_at SYS_name_to_handle_at SYS_truncate SYS_ftruncate SYS_fallocate
    SYS_pwrite64 SYS_pwritev SYS_pwritev2 SYS_copy_file_range SYS_sendfile SYS_splice SYS_vmsplice SYS_tee
    SYS_linkat SYS_symlinkat SYS_unlinkat SYS_renameat SYS_renameat2 SYS_mkdirat SYS_mknodat SYS_fchmod SYS_fchmodat
    SYS_fchown SYS_fchownat SYS_utimensat SYS_setxattr SYS_lsetxattr SYS_fsetxattr SYS_removexattr SYS_lremovexattr
    SYS_fremovexattr SYS_getxattr SYS_listxattr SYS_fsync SYS_fdatasync SYS_sync_file_range SYS_syncfs SYS_flock
    SYS_fcntl SYS_ioctl SYS_memfd_create SYS_memfd_secret SYS_inotify_init1 SYS_fanotify_init SYS_fanotify_mark
    SYS_chdir SYS_fchdir
    // Mounts and namespaces.
    SYS_mount SYS_umount2 SYS_pivot_root SYS_chroot SYS_open_tree SYS_move_mount SYS_fsopen SYS_fsconfig SYS_fsmount
    SYS_fspick SYS_mount_setattr SYS_unshare SYS_setns SYS_quotactl SYS_quotactl_fd
    // System V and POSIX memory, queues and semaphores.
    SYS_shmget SYS_shmat SYS_shmctl SYS_shmdt SYS_semget SYS_semop SYS_semctl SYS_msgget SYS_msgsnd SYS_msgrcv SYS_msgctl
    SYS_mq_open SYS_mq_unlink SYS_mq_timedsend SYS_mq_timedreceive SYS_mq_notify
    // Users and capabilities.
    SYS_setuid SYS_setgid SYS_setreuid SYS_setregid SYS_setresuid SYS_setresgid SYS_setfsuid SYS_setfsgid SYS_setgroups
    SYS_capset SYS_capget
    // Ways around a filter, and parts of the kernel that a service has no business with.
    SYS_io_uring_setup SYS_io_uring_enter SYS_io_uring_register SYS_io_setup SYS_io_submit SYS_bpf SYS_perf_event_open
    SYS_userfaultfd SYS_add_key SYS_request_key SYS_keyctl SYS_seccomp SYS_landlock_create_ruleset
    SYS_landlock_add_rule SYS_landlock_restrict_self SYS_personality SYS_mmap SYS_mprotect SYS_pkey_mprotect
    SYS_remap_file_pages SYS_mlockall SYS_init_module SYS_finit_module SYS_delete_module SYS_kexec_load SYS_reboot
    SYS_swapon SYS_swapoff SYS_acct SYS_syslog SYS_settimeofday SYS_clock_settime SYS_adjtimex SYS_clock_adjtime
    SYS_sethostname SYS_setdomainname SYS_timer_create SYS_timerfd_create SYS_signalfd4
};

/// The same under the names that only older architectures have.
#[cfg(target_arch = "x86_64")]
pub(crate) const REFUSED_HERE: &[(&str, i64)] = numbers! {
    SYS_open SYS_creat SYS_link SYS_symlink SYS_unlink SYS_rename SYS_mkdir SYS_rmdir SYS_mknod SYS_chmod SYS_chown
    SYS_lchown SYS_utime SYS_utimes SYS_futimesat SYS_fchmodat2 SYS_inotify_init SYS_signalfd SYS_iopl SYS_ioperm
    SYS_modify_ldt SYS_arch_prctl SYS_kexec_file_load SYS_sysfs SYS_uselib
};
#[cfg(not(target_arch = "x86_64"))]
pub const REFUSED_HERE: &[(&str, i64)] = &[];
