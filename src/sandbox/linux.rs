//! The two locks of Linux around the serving process.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, RestrictionStatus, Ruleset, RulesetAttr, RulesetError,
    RulesetStatus, Scope,
};
use seccompiler::BackendError;

use super::{Hold, Sandbox, filter, server};

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

/// Puts up the sandbox around this thread and all that it will start. Files that are open stay so.
///
/// # Errors
/// [`SandboxError`].
pub fn enter() -> Result<Sandbox, SandboxError> {
    let landlock = take_rights()?;
    let seccomp = filter::apply(&server::CALLS)?;
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
