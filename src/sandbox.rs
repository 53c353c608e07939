//! What the serving process gives up before it meets its first client: writing files, starting programs, opening
//! connections of its own. A hole in a codec then leads nowhere. Must not know what the process does.
//!
//! Two locks of Linux, each where the kernel has it: Landlock takes rights over files and outgoing connections,
//! seccomp takes system calls. Both hold for every thread that is started later, for good.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, RestrictionStatus, Ruleset, RulesetAttr, RulesetError,
    RulesetStatus, Scope,
};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// How much of the sandbox holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sandbox {
    pub landlock: Hold,
    pub seccomp: Hold,
}

/// How far a lock holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    Full,
    /// The kernel knows only some of what was asked for.
    Partial,
    /// The kernel does not have it.
    None,
}

/// Why the sandbox could not be put up, on a kernel that has what it takes.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("landlock: {0}")]
    Landlock(#[from] RulesetError),
    #[error("seccomp: {0}")]
    Filter(#[from] BackendError),
    #[error("seccomp: {0}")]
    Seccomp(#[from] seccompiler::Error),
}

impl Hold {
    /// The word that the log uses.
    pub fn name(self) -> &'static str {
        match self {
            Hold::Full => "full",
            Hold::Partial => "partial",
            Hold::None => "none",
        }
    }
}

impl Sandbox {
    /// Whether all of it holds.
    pub fn is_whole(self) -> bool {
        self.landlock == Hold::Full && self.seccomp == Hold::Full
    }
}

/// Puts up the sandbox around this thread and all that it will start. Files that are open stay so.
///
/// # Errors
/// [`SandboxError`].
pub fn enter() -> Result<Sandbox, SandboxError> {
    let landlock = take_rights()?;
    let seccomp = match TargetArch::try_from(ARCH) {
        Ok(arch) => take_calls(arch)?,
        Err(_) => Hold::None,
    };
    Ok(Sandbox { landlock, seccomp })
}

/// Landlock: no file is written, made, removed or executed; no TCP connection is opened; no signal is sent to, and no
/// abstract socket reached of, a process outside.
fn take_rights() -> Result<Hold, RulesetError> {
    // The rights that Linux 6.12 knows; an older kernel takes those that it has.
    let abi = ABI::V6;
    let RestrictionStatus { ruleset, .. } = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_write(abi) | AccessFs::Execute)?
        .handle_access(AccessNet::ConnectTcp)?
        .scope(Scope::from_all(abi))?
        .create()?
        .restrict_self()?;
    Ok(match ruleset {
        RulesetStatus::FullyEnforced => Hold::Full,
        RulesetStatus::PartiallyEnforced => Hold::Partial,
        RulesetStatus::NotEnforced => Hold::None,
    })
}

/// seccomp: what no part of the service calls fails with EPERM.
fn take_calls(arch: TargetArch) -> Result<Hold, SandboxError> {
    let forbidden = FORBIDDEN.iter().chain(FORBIDDEN_HERE);
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = forbidden.map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_openat, opened_to_write(2)?);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_open, opened_to_write(1)?);
    let refusal = SeccompAction::Errno(libc::EPERM as u32);
    let program: BpfProgram = SeccompFilter::new(rules, SeccompAction::Allow, refusal, arch)?.try_into()?;
    match seccompiler::apply_filter(&program) {
        Ok(()) => Ok(Hold::Full),
        Err(seccompiler::Error::Seccomp(error)) if error.raw_os_error() == Some(libc::ENOSYS) => Ok(Hold::None),
        Err(error) => Err(error.into()),
    }
}

/// Matches a call that opens a file to write it; `flags` is the place of that argument.
fn opened_to_write(flags: u8) -> Result<Vec<SeccompRule>, BackendError> {
    let opened_for = |access: i32| {
        let of_mode = SeccompCmpOp::MaskedEq(libc::O_ACCMODE as u64);
        SeccompRule::new(vec![SeccompCondition::new(flags, SeccompCmpArgLen::Dword, of_mode, access as u64)?])
    };
    Ok(vec![opened_for(libc::O_WRONLY)?, opened_for(libc::O_RDWR)?])
}

/// The calls that are refused whatever their arguments.
const FORBIDDEN: &[i64] = &[
    // Other programs.
    libc::SYS_execve,
    libc::SYS_execveat,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    // Connections of our own; the listener is open already.
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    // Files: open and openat have rules of their own.
    libc::SYS_openat2,
    libc::SYS_open_by_handle_at,
    libc::SYS_truncate,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_fchmodat,
    libc::SYS_fchownat,
    // Ways around a filter, and parts of the kernel that a service has no business with.
    libc::SYS_io_uring_setup,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
];

/// The same under the names that only older architectures have.
#[cfg(target_arch = "x86_64")]
const FORBIDDEN_HERE: &[i64] = &[
    libc::SYS_fork,
    libc::SYS_creat,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_mknod,
    libc::SYS_chmod,
    libc::SYS_chown,
];
#[cfg(not(target_arch = "x86_64"))]
const FORBIDDEN_HERE: &[i64] = &[];
