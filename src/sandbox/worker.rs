//! What a worker gives up before it sees a stranger's bytes: everything but memory, time and its one stream.

use std::fs;
use std::io;

use landlock::{ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus, Scope};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

use super::{Enforcement, SandboxError, allowed_calls, filter};

/// Descriptors that a worker may have: its stream and the three standard ones, with some to spare.
const MAX_DESCRIPTORS: u64 = 16;

/// Stack of a worker. AV1 encoders and decoders keep block trees on the stack, which come close to 2 MiB.
const STACK_BYTES: u64 = 8 << 20;

/// Memory that a worker may take beyond what its job is expected to need.
const SPARE_BYTES: u64 = 64 << 20;

/// Why a process can't be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The kernel refuses Landlock's or seccomp's rules.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The kernel lacks this mechanism.
    #[error("the kernel has no {0}")]
    Missing(&'static str),
    /// The system refuses a resource limit.
    #[error("limits: {0}")]
    Limits(#[from] rustix::io::Errno),
}

/// Seals this process for good.
///
/// # Errors
/// [`SealError`] where the kernel lacks seccomp or Landlock or refuses them: a worker must not start half sealed.
pub fn seal() -> Result<(), SealError> {
    // When memory is short the kernel ends a worker first. Not every container lets a process say so.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let limits = [(Resource::Core, 0), (Resource::Nofile, MAX_DESCRIPTORS), (Resource::Nproc, 0)];
    for (resource, limit) in limits {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    lower(Resource::Stack, STACK_BYTES)?;
    if give_up_rights()? == RulesetStatus::NotEnforced {
        return Err(SealError::Missing("Landlock"));
    }
    if filter::apply(&allowed_calls::of_worker())? == Enforcement::None {
        return Err(SealError::Missing("seccomp"));
    }
    Ok(())
}

/// Bounds the memory of the job to come: two and a half times what it is expected to need. This stops a codec that asks
/// for too much, not one that was taken over, which could raise the limit again. Returns the limit in bytes.
///
/// # Errors
/// When the system refuses the limit.
pub fn limit_memory(expected_bytes: u64) -> io::Result<u64> {
    let limit = expected_bytes.saturating_mul(5) / 2 + SPARE_BYTES;
    lower(Resource::Data, limit)?;
    Ok(limit)
}

/// Sets a limit that can be raised again, at most to what the process was started with.
fn lower(resource: Resource, limit: u64) -> rustix::io::Result<()> {
    let maximum = getrlimit(resource).maximum;
    let current = Some(maximum.map_or(limit, |maximum| limit.min(maximum)));
    setrlimit(resource, Rlimit { current, maximum })
}

/// Landlock: opens no file, makes no connection, reaches no process outside.
fn give_up_rights() -> Result<RulesetStatus, SandboxError> {
    // The rights of Linux 6.12. With `BestEffort` an older kernel denies those that it has.
    let abi = ABI::V6;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?
        .restrict_self()?;
    Ok(status.ruleset)
}
