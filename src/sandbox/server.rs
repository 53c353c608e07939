//! Landlock and seccomp for the serving process.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, RestrictionStatus, Ruleset, RulesetAttr, RulesetError,
    RulesetStatus, Scope,
};
use seccompiler::BackendError;

use super::{Enforcement, Sandbox, allowed_calls, filter};

/// Why a kernel that has the mechanisms refused the sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The kernel did not take the Landlock rules.
    #[error("landlock: {0}")]
    Landlock(#[from] RulesetError),
    /// The list of system calls does not make a filter: a bug.
    #[error("seccomp: {0}")]
    Filter(#[from] BackendError),
    /// The kernel did not take the filter.
    #[error("seccomp: {0}")]
    Seccomp(#[from] seccompiler::Error),
}

/// Restricts this thread and all threads that it starts later. Open files stay open.
///
/// # Errors
/// [`SandboxError`].
pub fn enter() -> Result<Sandbox, SandboxError> {
    let landlock = enter_landlock()?;
    let seccomp = filter::apply(&allowed_calls::SERVER)?;
    Ok(Sandbox { landlock, seccomp })
}

/// Denies writing, creating, removing and executing files, opening TCP connections, and sending signals or connecting to
/// abstract sockets of processes outside the sandbox.
fn enter_landlock() -> Result<Enforcement, RulesetError> {
    // The rights of Linux 6.12. With `BestEffort` an older kernel denies those that it has.
    let abi = ABI::V6;
    let RestrictionStatus { ruleset, .. } = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_write(abi) | AccessFs::Execute)?
        .handle_access(AccessNet::ConnectTcp)?
        .scope(Scope::from_all(abi))?
        .create()?
        .restrict_self()?;
    Ok(match ruleset {
        RulesetStatus::FullyEnforced => Enforcement::Full,
        RulesetStatus::PartiallyEnforced => Enforcement::Partial,
        RulesetStatus::NotEnforced => Enforcement::None,
    })
}
