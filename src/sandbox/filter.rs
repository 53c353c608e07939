//! Builds a seccomp filter from a list of allowed system calls; the list itself is in `allowed_calls`.
//!
//! A call that is not on the list fails with EPERM and the thread continues. New calls fail with ENOSYS, as on an older
//! kernel, because programs have a fallback for that.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

use super::{Enforcement, SandboxError};

/// The system calls that a process may make.
pub(super) struct AllowList {
    /// Allowed with any arguments.
    pub unconditional: Vec<&'static [i64]>,
    /// Allowed when all listed conditions hold. A call with several rows is allowed when one of the rows holds. A call
    /// that is also allowed with any arguments is.
    pub conditional: Vec<&'static [(i64, &'static [Argument])]>,
}

/// A condition on an argument. The first number is the index of the argument, counted from 0.
#[derive(Clone, Copy, Debug)]
pub(super) enum Argument {
    /// Equal to this 32-bit value.
    Is(u8, i32),
    /// All of these bits are set.
    With(u8, i32),
    /// None of these bits is set.
    Without(u8, i32),
    /// Equal to the last number in the bits of the number before it.
    Bits(u8, i32, i32),
    /// A null pointer.
    Null(u8),
    /// The id of this process.
    OwnId(u8),
}

/// The number of the first new call, pidfd_send_signal of Linux 5.1. From here on the numbers are the same on every
/// architecture (include/uapi/asm-generic/unistd.h).
const FIRST_NEW_CALL: u32 = 424;

/// The bit that x86-64 sets in the numbers of x32 calls (`__X32_SYSCALL_BIT`, asm/unistd.h). No other architecture has
/// numbers this large.
const X32_CALL_BIT: u32 = 0x4000_0000;

/// Allows only these calls to this thread and to all threads that it starts later.
///
/// # Errors
/// [`SandboxError`] when the kernel refuses the filter. Returns [`Enforcement::None`] when it has no seccomp.
pub(super) fn apply(allowed: &AllowList) -> Result<Enforcement, SandboxError> {
    let Ok(arch) = TargetArch::try_from(ARCH) else { return Ok(Enforcement::None) };
    match seccompiler::apply_filter(&program(allowed, arch)?) {
        Ok(()) => Ok(Enforcement::Full),
        Err(seccompiler::Error::Seccomp(error)) if error.raw_os_error() == Some(libc::ENOSYS) => Ok(Enforcement::None),
        Err(error) => Err(error.into()),
    }
}

fn program(allowed: &AllowList, arch: TargetArch) -> Result<BpfProgram, BackendError> {
    let refusal = SeccompAction::Errno(libc::EPERM as u32);
    let list: BpfProgram = SeccompFilter::new(rules(allowed)?, refusal, SeccompAction::Allow, arch)?.try_into()?;
    Ok(refuse_new_calls().into_iter().chain(list).collect())
}

/// A call without rules is always allowed. A call with rules is allowed when one of them holds.
fn rules(allowed: &AllowList) -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for (call, arguments) in allowed.conditional.iter().copied().flatten() {
        let conditions = arguments.iter().map(|argument| argument.condition()).collect::<Result<_, _>>()?;
        rules.entry(*call).or_default().push(SeccompRule::new(conditions)?);
    }
    rules.extend(allowed.unconditional.iter().copied().flatten().map(|call| (*call, Vec::new())));
    Ok(rules)
}

impl Argument {
    fn condition(self) -> Result<SeccompCondition, BackendError> {
        use SeccompCmpArgLen::{Dword, Qword};
        use SeccompCmpOp::{Eq, MaskedEq};
        let bits = |bits: i32| u64::from(bits as u32);
        match self {
            Argument::Is(index, value) => SeccompCondition::new(index, Dword, Eq, bits(value)),
            Argument::With(index, set) => SeccompCondition::new(index, Dword, MaskedEq(bits(set)), bits(set)),
            Argument::Without(index, unset) => SeccompCondition::new(index, Dword, MaskedEq(bits(unset)), 0),
            Argument::Bits(index, mask, value) => {
                SeccompCondition::new(index, Dword, MaskedEq(bits(mask)), bits(value))
            }
            Argument::Null(index) => SeccompCondition::new(index, Qword, Eq, 0),
            Argument::OwnId(index) => SeccompCondition::new(index, Dword, Eq, u64::from(std::process::id())),
        }
    }
}

/// Instructions before the list that make all new calls fail with ENOSYS. They are there for clone3: a filter can't
/// read its flags, which are in memory, and glibc starts threads with clone only if clone3 returns ENOSYS.
fn refuse_new_calls() -> [sock_filter; 4] {
    let instruction = |code: u32, k: u32, jt: u8, jf: u8| sock_filter { code: code as u16, jt, jf, k };
    let is_at_least = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
    [
        // The number of the call is the first field of struct seccomp_data.
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(is_at_least, FIRST_NEW_CALL, 0, 2),
        instruction(is_at_least, X32_CALL_BIT, 1, 0),
        instruction(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32, 0, 0),
    ]
}
