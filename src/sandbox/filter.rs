//! An allow-list of system calls as a filter of seccomp.
//!
//! What is not on the list fails and the thread goes on: with EPERM, or with ENOSYS where the call is so new that
//! programs expect to be without it.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

use super::{Hold, SandboxError};

/// The system calls that a process may make.
pub struct AllowList<'a> {
    /// Allowed whatever their arguments.
    pub any: &'a [&'a [i64]],
    /// Allowed where every argument named is as it says. A call that stands here twice is allowed by either row.
    pub limited: &'a [&'a [(i64, &'a [Argument])]],
}

/// What an argument has to be; the first number is its place, counted from 0.
#[derive(Clone, Copy, Debug)]
pub enum Argument {
    /// This value, of 32 bits.
    Is(u8, i32),
    /// All of these bits are set.
    With(u8, i32),
    /// None of these bits is set.
    Without(u8, i32),
    /// A null pointer.
    Null(u8),
    /// The id of this process.
    OwnId(u8),
}

/// The first number of a call that Linux 5.1 or later brought: pidfd_send_signal
/// (include/uapi/asm-generic/unistd.h; from here on the numbers are the same on every architecture).
const FIRST_NEW: u32 = 424;

/// What x86-64 adds to the number of a call in its 32-bit form (`__X32_SYSCALL_BIT`, asm/unistd.h). No call of another
/// architecture comes near it.
const X32: u32 = 0x4000_0000;

/// Lets this thread, and those that it will start, make no other calls than these, for good.
///
/// # Errors
/// [`SandboxError`]; a kernel without seccomp is no error but [`Hold::None`].
pub fn apply(allowed: &AllowList) -> Result<Hold, SandboxError> {
    let Ok(arch) = TargetArch::try_from(ARCH) else { return Ok(Hold::None) };
    match seccompiler::apply_filter(&program(allowed, arch)?) {
        Ok(()) => Ok(Hold::Full),
        Err(seccompiler::Error::Seccomp(error)) if error.raw_os_error() == Some(libc::ENOSYS) => Ok(Hold::None),
        Err(error) => Err(error.into()),
    }
}

fn program(allowed: &AllowList, arch: TargetArch) -> Result<BpfProgram, BackendError> {
    let refusal = SeccompAction::Errno(libc::EPERM as u32);
    let list: BpfProgram = SeccompFilter::new(rules(allowed)?, refusal, SeccompAction::Allow, arch)?.try_into()?;
    Ok(new_calls().into_iter().chain(list).collect())
}

/// A call without rules is allowed whatever its arguments, one with rules where one of them holds.
fn rules(allowed: &AllowList) -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for (call, arguments) in allowed.limited.iter().copied().flatten() {
        let conditions = arguments.iter().map(|argument| argument.condition()).collect::<Result<_, _>>()?;
        rules.entry(*call).or_default().push(SeccompRule::new(conditions)?);
    }
    rules.extend(allowed.any.iter().copied().flatten().map(|call| (*call, Vec::new())));
    Ok(rules)
}

impl Argument {
    fn condition(self) -> Result<SeccompCondition, BackendError> {
        use SeccompCmpArgLen::{Dword, Qword};
        use SeccompCmpOp::{Eq, MaskedEq};
        let bits = |bits: i32| u64::from(bits as u32);
        match self {
            Argument::Is(place, value) => SeccompCondition::new(place, Dword, Eq, bits(value)),
            Argument::With(place, set) => SeccompCondition::new(place, Dword, MaskedEq(bits(set)), bits(set)),
            Argument::Without(place, unset) => SeccompCondition::new(place, Dword, MaskedEq(bits(unset)), 0),
            Argument::Null(place) => SeccompCondition::new(place, Qword, Eq, 0),
            Argument::OwnId(place) => SeccompCondition::new(place, Dword, Eq, u64::from(std::process::id())),
        }
    }
}

/// Instructions in front of a list that has none of the new calls: they fail with ENOSYS, as on an older kernel, so that
/// the C library goes its older way. clone3 is why: its flags are in memory, where no filter sees them, and glibc starts
/// threads by clone only where clone3 is not there.
fn new_calls() -> [sock_filter; 4] {
    let instruction = |code: u32, k: u32, jt: u8, jf: u8| sock_filter { code: code as u16, jt, jf, k };
    let is_at_least = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
    [
        // The number is the first field of what a filter is shown (struct seccomp_data).
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(is_at_least, FIRST_NEW, 0, 2),
        instruction(is_at_least, X32, 1, 0),
        instruction(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32, 0, 0),
    ]
}
